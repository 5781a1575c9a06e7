// The image archives that we write ourselves.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { commandOutput } from "@skiff/component-base/command.ts";
import { writeOciArchive } from "./oci-archive.ts";

const IMAGE = {
  name: "skiff.local/x:1",
  files: [
    { path: "bin", mode: 0o755 },
    { path: "bin/x", mode: 0o755, content: Buffer.from("#!") },
    { path: "bin/y", mode: 0o777, link: "x" },
  ],
  entrypoint: ["/bin/x"],
};

test("writeOciArchive writes blobs under their digests, and the same bytes each time", async () => {
  const folder = mkdtempSync(join(tmpdir(), "skiff-oci-"));
  try {
    const path = join(folder, "x.tar");
    await writeOciArchive(path, [IMAGE]);
    const first = readFileSync(path);
    await commandOutput("tar", ["-xf", path, "-C", folder]);
    const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8"));
    const blob = (digest: string) => readFileSync(join(folder, "blobs/sha256", digest.slice(7)));
    const manifest = JSON.parse(blob(index.manifests[0].digest).toString());
    const layer = blob(manifest.layers[0].digest);
    assert.equal(`sha256:${createHash("sha256").update(layer).digest("hex")}`, manifest.layers[0].digest);
    const listing = await commandOutput("tar", [
      "-tvf",
      join(folder, "blobs/sha256", manifest.layers[0].digest.slice(7)),
    ]);
    assert.match(listing, /-rwxr-xr-x.*bin\/x\n.*bin\/y -> x/);
    await writeOciArchive(path, [IMAGE]);
    assert.ok(readFileSync(path).equals(first));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

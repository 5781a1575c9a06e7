import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runCommand } from "@skiff/component-base/command.ts";
import { readInVolume } from "./read-in-volume.ts";

test("readInVolume follows links inside a volume only, and reads nothing but small files", async () => {
  const dir = await mkdtemp(join(tmpdir(), "skiff-volume-"));
  const root = join(dir, "volume");
  try {
    await mkdir(join(root, "deep/er"), { recursive: true });
    await writeFile(join(dir, "secret"), "outside");
    await writeFile(join(root, "secret"), "inside");
    await writeFile(join(root, "deep/er/file"), "deep");
    await symlink("../../../../secret", join(root, "deep/up"));
    await symlink("/secret", join(root, "deep/er/top"));
    await symlink("er/file", join(root, "deep/near"));
    await symlink("round", join(root, "round"));
    await runCommand("mkfifo", [join(root, "pipe")]);
    const read = (path: string) => readInVolume(root, path, 6);
    assert.equal(await read("secret"), "inside");
    assert.equal(await read("deep/er/file"), "deep");
    assert.equal(await read("deep/near"), "deep");
    for (const path of ["deep/up", "deep/er/top", "../secret", "deep/../../secret"]) {
      assert.equal(await read(path), "inside", path);
    }
    await assert.rejects(read("round"), /too many links/);
    // Whoever opened it would wait for a writer.
    await assert.rejects(read("pipe"), /not a regular file/);
    await assert.rejects(read("deep"), /not a regular file/);
    await assert.rejects(read("none"), { code: "ENOENT" });
    await assert.rejects(read("secret/x"), { code: "ENOTDIR" });
    await assert.rejects(readInVolume(root, "secret", 5), /more than 5 bytes/);
  } finally {
    await rm(dir, { recursive: true });
  }
});

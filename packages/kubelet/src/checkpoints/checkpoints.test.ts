import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CheckpointFile } from "./checkpoint-file.ts";
import { checksumOf, goText } from "./checksum.ts";

test("checksumOf agrees with the file that every upstream node without pinned processors has", () => {
  const empty = { type: "map[string]map[string]string", entries: new Map() };
  const checksum = checksumOf({
    type: "*state.CPUManagerCheckpoint",
    fields: [
      ["PolicyName", goText("none")],
      ["DefaultCPUSet", goText("")],
      ["Entries", empty],
      ["Checksum", goText(0, "checksum.Checksum")],
    ],
  });
  assert.equal(checksum, 1353318690);
});

test("CheckpointFile writes the newest text and reads it back; a folder that cannot be made is reported", async () => {
  const dir = await mkdtemp(join(tmpdir(), "resources-checkpoint-"));
  try {
    const errors: unknown[] = [];
    const file = new CheckpointFile(join(dir, "state"), (error) => errors.push(error));
    assert.equal(await file.read(), undefined);
    for (const text of ["a", "b", "c"]) file.save(text);
    await file.flushed();
    assert.equal(await readFile(join(dir, "state"), "utf8"), "c");
    assert.deepEqual(await readdir(dir), ["state"]);
    const blocked = new CheckpointFile(join(dir, "state", "below"), (error) => errors.push(error));
    blocked.save("x");
    await blocked.flushed();
    assert.equal(errors.length, 1);
  } finally {
    await rm(dir, { recursive: true });
  }
});

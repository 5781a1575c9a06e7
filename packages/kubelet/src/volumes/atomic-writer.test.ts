import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, readlink, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { FileContent } from "./atomic-writer.ts";
import { writeAtomically } from "./atomic-writer.ts";

async function inFolder(work: (dir: string) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "skiff-writer-"));
  try {
    await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function payload(files: Record<string, string>, mode = 0o644): Map<string, FileContent> {
  return new Map(Object.entries(files).map(([path, text]) => [path, { data: Buffer.from(text), mode }]));
}

const options = { stamp: "2026_01_01" };

test("writeAtomically lays files out behind ..data, folders included", () =>
  inFolder(async (dir) => {
    assert.equal(writeAtomically(dir, payload({ a: "1", "deep/er/b": "2" }, 0o400), options), true);
    assert.equal(await readlink(join(dir, "a")), "..data/a");
    assert.equal(await readlink(join(dir, "deep")), "..data/deep");
    assert.equal(await readFile(join(dir, "deep/er/b"), "utf8"), "2");
    assert.equal((await stat(join(dir, "a"))).mode & 0o777, 0o400);
    assert.match(await readlink(join(dir, "..data")), /^\.\.2026_01_01\./);
  }));

test("writeAtomically changes everything at once, leaves no rest, and nothing when nothing changed", () =>
  inFolder(async (dir) => {
    writeAtomically(dir, payload({ a: "1", gone: "x" }), options);
    const first = await readlink(join(dir, "..data"));
    assert.equal(writeAtomically(dir, payload({ a: "1", gone: "x" }), options), false);
    assert.equal(await readlink(join(dir, "..data")), first);
    assert.equal(writeAtomically(dir, payload({ a: "2" }), options), true);
    assert.equal(await readFile(join(dir, "a"), "utf8"), "2");
    assert.deepEqual((await readdir(dir)).sort(), ["..data", await readlink(join(dir, "..data")), "a"].sort());
    assert.equal(writeAtomically(dir, payload({ a: "2" }, 0o600), options), true, "a new mode is a change");
  }));

test("writeAtomically refuses paths that would lead out of the volume", () =>
  inFolder(async (dir) => {
    for (const path of ["../x", "/etc/passwd", "a/../../x", "..data", ""]) {
      assert.throws(() => writeAtomically(dir, payload({ [path]: "x" }), options), /invalid path/, path);
    }
    assert.deepEqual(await readdir(dir), []);
  }));

// What counts as mounted, and that a folder in memory is left as it is.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isMountPoint, makeMemoryFolder, releaseMemoryFolder } from "./memory-folder.ts";

test("isMountPoint takes the folder itself alone", () => {
  const info = ["/run/skiff/a", "/run/skiff/b/x", "/run/sp\\040ace"].map(
    (path, index) => `${index} 1 0:1 / ${path} rw - tmpfs t rw`,
  );
  const text = info.join("\n");
  assert.equal(isMountPoint(text, "/run/skiff/a"), true);
  assert.equal(isMountPoint(text, "/run/skiff/b"), false);
  assert.equal(isMountPoint(text, "/run/sp ace"), true);
});

const isRoot = process.getuid?.() === 0;
test("makeMemoryFolder mounts once, and releaseMemoryFolder leaves nothing", { skip: !isRoot }, async () => {
  const parent = mkdtempSync("/var/tmp/skiff-memory-");
  const folder = join(parent, "state");
  await makeMemoryFolder(folder);
  await makeMemoryFolder(folder);
  const mounts = () => readFileSync("/proc/self/mountinfo", "utf8");
  const count = mounts()
    .split("\n")
    .filter((line) => line.includes(` ${folder} `)).length;
  assert.ok(count <= 1);
  // A machine that lets nobody mount keeps the folder where it is.
  if (count === 1) assert.equal(statfsSync(folder).type, 0x01021994);
  await releaseMemoryFolder(folder);
  assert.equal(isMountPoint(mounts(), folder), false);
  rmdirSync(folder);
  rmdirSync(parent);
});

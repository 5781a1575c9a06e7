import assert from "node:assert/strict";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { unmount } from "./mounts.ts";

/** An umount that writes down what it is told and, where nothing but the path is, does as `plainly` says. */
async function fakeUmount(plainly: string) {
  const folder = await mkdtemp(join(tmpdir(), "skiff-umount-"));
  const log = join(folder, "calls");
  await writeFile(join(folder, "umount"), `#!/bin/sh\necho "$*" >> ${log}\n[ $# -gt 1 ] || ${plainly}\n`);
  await chmod(join(folder, "umount"), 0o755);
  const calls = async () => (await readFile(log, "utf8")).trim().split("\n");
  return { folder, calls, [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test("unmount takes what is busy out of sight", async () => {
  await using tool = await fakeUmount("exit 32");
  await unmount("/mnt", tool.folder);
  assert.deepEqual(await tool.calls(), ["/mnt", "--lazy /mnt"]);
});

test("unmount forces what does not answer, though the first attempt never ends", async () => {
  await using tool = await fakeUmount("exec sleep 600");
  await unmount("/mnt", tool.folder, 100);
  assert.equal((await tool.calls()).at(-1), "--force --lazy /mnt");
});

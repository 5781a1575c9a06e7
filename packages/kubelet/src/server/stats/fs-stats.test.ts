import assert from "node:assert/strict";
import { tmpdir } from "node:os";
import { test } from "node:test";
import { fsStats, remoteFsStats } from "./fs-stats.ts";

test("a file system is as large when a process of its own is sent to measure it", async () => {
  // What is free changes while one looks.
  const size = async (stats: ReturnType<typeof fsStats>) => {
    const { time, capacityBytes, inodes } = await stats;
    return { time, capacityBytes, inodes };
  };
  const time = "2026-01-01T00:00:00Z";
  assert.deepEqual(await size(remoteFsStats(tmpdir(), time)), await size(fsStats(tmpdir(), time)));
  await assert.rejects(remoteFsStats("/no/such/folder", time), /No such file/);
});

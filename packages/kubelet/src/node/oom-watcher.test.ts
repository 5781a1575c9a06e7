// Which of the kernel's kills the node tells of, from lines as kernels write them.
import assert from "node:assert/strict";
import { appendFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { OomLog, watchOom } from "./oom-watcher.ts";

const GLOBAL =
  "6,1520,9012345,-;oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/user.slice,task=hog,pid=77,uid=0\n";
const KILLED = "3,1521,9012350,-;Out of memory: Killed process 77 (hog) total-vm:1000kB, anon-rss:900kB\n";
const OF_POD =
  "6,1522,9012360,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/kubepods/pod1,task_memcg=/kubepods/pod1/c,task=app,pid=78,uid=0\n";
const POD_KILLED = "3,1523,9012370,-;Memory cgroup out of memory: Killed process 78 (app) total-vm:1000kB\n";

test("OomLog names the victim when the machine is out of memory", () => {
  const log = new OomLog();
  assert.equal(log.read(GLOBAL), undefined);
  assert.deepEqual(log.read(KILLED), { process: "hog", pid: 77 });
});

test("OomLog leaves out what a container's own limit killed, and forgets it for the next kill", () => {
  const log = new OomLog();
  for (const line of [OF_POD, POD_KILLED]) assert.equal(log.read(line), undefined);
  assert.deepEqual(log.read(KILLED), { process: "hog", pid: 77 });
  assert.equal(new OomLog().read(POD_KILLED), undefined);
  assert.equal(log.read("6,1,2,-;eth0: link up\n"), undefined);
});

test("watchOom tells what comes after its start, and nothing from before", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "skiff-oom-"));
  t.after(() => rm(folder, { recursive: true }));
  const device = join(folder, "kmsg");
  await writeFile(device, KILLED.replace("hog", "before"));
  const clock = new FakeClock();
  const stop = new AbortController();
  const told: string[] = [];
  const onSystemOom = ({ process }: { process: string }) => told.push(process);
  const watching = watchOom({ onSystemOom, clock, log: silentLogger(), device }, stop.signal);
  await waitFor("the first sleep", () => clock.waiting > 0);
  await appendFile(device, KILLED);
  clock.advance(10_000);
  await waitFor("the news", () => told.length > 0);
  assert.deepEqual(told, ["hog"]);
  stop.abort();
  await watching;
});

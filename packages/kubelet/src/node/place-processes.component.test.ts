// Real processes and this machine's cgroups; needs root.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { CgroupFs } from "../cgroups/cgroup-fs.ts";
import { setOomScore } from "./place-processes.ts";

test("processes are put into a cgroup, and moved on where they stand in one itself", { timeout: 30_000 }, async () => {
  const files = await CgroupFs.open(realClock);
  const root = `/skiff-place-${process.pid}`;
  const children = ["first", "second", "third"].map(() => spawn("sleep", ["1000"]));
  const [a = 0, b = 0, c = 0] = children.map(({ pid }) => pid ?? 0);
  try {
    await files.enter(`${root}/from`, a);
    await files.enter(`${root}/from`, b);
    await files.enter(`${root}/from/below`, c);
    await files.create(`${root}/to`, {});
    assert.equal(await files.movePlaceless(`${root}/from`, `${root}/to`, async (pid) => pid !== b), 1);
    const places = async (pid: number) => (await readFile(`/proc/${pid}/cgroup`, "utf8")).trim();
    assert.match(await places(a), new RegExp(`${root}/to$`));
    assert.match(await places(b), new RegExp(`${root}/from$`));
    assert.match(await places(c), new RegExp(`${root}/from/below$`));
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await files.remove(root);
  }
});

test("setOomScore sets the score, and goes on where it may not", { timeout: 30_000 }, async () => {
  const child = spawn("sleep", ["1000"]);
  try {
    const file = `/proc/${child.pid}/oom_score_adj`;
    await setOomScore(321, silentLogger(), file);
    assert.equal((await readFile(file, "utf8")).trim(), "321");
    await setOomScore(321, silentLogger(), "/proc/self/nothing-of-the-kind");
    await assert.rejects(writeFile("/proc/self/nothing-of-the-kind", ""));
  } finally {
    child.kill("SIGKILL");
  }
});

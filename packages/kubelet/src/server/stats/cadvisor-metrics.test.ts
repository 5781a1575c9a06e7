// The container_* series, from the kernel's files to the text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { render } from "./cadvisor-metrics.ts";
import { cgroupFigures } from "./cgroup-figures.ts";

function cgroupsOf(isUnified: boolean, files: Readonly<Record<string, string>>) {
  return { isUnified, read: async (_controller: string, _path: string, file: string) => files[file] };
}

test("cgroupFigures reads version 1", async () => {
  const { cpu, memory, processes } = await cgroupFigures(
    "/p",
    cgroupsOf(false, {
      "cpuacct.usage": "2500000000\n",
      "cpuacct.stat": "user 150\nsystem 50\n",
      "cpu.cfs_quota_us": "-1\n",
      "memory.usage_in_bytes": "1000\n",
      "memory.limit_in_bytes": "9223372036854771712\n",
      "memory.stat": "total_inactive_file 300\ntotal_cache 400\n",
      "pids.current": "3\n",
    }),
  );
  assert.deepEqual([cpu.total, cpu.user, cpu.quota], [2.5, 1.5, undefined]);
  assert.deepEqual([memory.workingSet, memory.cache, memory.limit, processes], [700, 400, 0, 3]);
});

test("cgroupFigures reads version 2", async () => {
  const { cpu, memory, oomKills } = await cgroupFigures(
    "/p",
    cgroupsOf(true, {
      "cpu.stat": "usage_usec 1500000\nuser_usec 1000000\nnr_throttled 2\n",
      "cpu.max": "50000 100000\n",
      "cpu.weight": "39\n",
      "memory.current": "1000",
      "memory.stat": "anon 10\nfile 400\ninactive_file 100\n",
      "memory.max": "max\n",
      "memory.events": "oom_kill 1\n",
    }),
  );
  assert.deepEqual([cpu.total, cpu.throttledPeriods, cpu.quota, cpu.period], [1.5, 2, 50_000, 100_000]);
  assert.ok(Math.abs((cpu.shares ?? 0) - 1024) < 30);
  assert.deepEqual([memory.workingSet, memory.limit, oomKills], [900, 0, 1]);
});

test("render writes labels in order, one head per family, and no sample without a figure", () => {
  const labels = { container: "c", id: "/p/1", image: "i", name: "1", namespace: "default", pod: "web" };
  const figures = { cpu: { total: 1.5 }, memory: { pageFaults: 7, majorPageFaults: 1 } };
  const eth0 = {
    name: "eth0",
    rxBytes: 5,
    rxErrors: 0,
    rxPackets: 1,
    rxDropped: 0,
    txBytes: 6,
    txErrors: 0,
    txPackets: 1,
    txDropped: 0,
  };
  const text = render([{ labels, figures }], [{ labels, interfaces: [eth0] }], 1000, {
    memoryBytes: 4096,
    swapBytes: 512,
  });
  const common = 'container="c",cpu="total",id="/p/1",image="i",name="1",namespace="default",pod="web"';
  assert.ok(text.includes(`container_cpu_usage_seconds_total{${common}} 1.5 1000\n`));
  assert.ok(text.includes('failure_type="pgmajfault"'));
  assert.equal(text.match(/# TYPE container_memory_failures_total/g)?.length, 1);
  assert.match(text, /container_network_receive_bytes_total\{.*interface="eth0".*\} 5 1000/);
  assert.doesNotMatch(text, /container_memory_rss\{/);
});

// Figures of CPU, memory and network from the kernel's files, and how /metrics/resource writes them.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Pod } from "@skiff/api/types.ts";
import { CpuRates } from "./cpu-rates.ts";
import {
  parseCpuStat,
  parseMachineSwap,
  parseMeminfo,
  parseMemoryStat,
  parseProcessLimits,
  parseSwap,
} from "./kernel-files.ts";
import { parseNetDev } from "./net-dev.ts";
import { renderResourceMetrics } from "./resource-metrics.ts";
import { systemCgroups } from "./system-cgroups.ts";

test("parseMemoryStat leaves the inactive file cache out, in both versions", () => {
  const v1 = parseMemoryStat(1000, "inactive_file 1\ntotal_inactive_file 300\ntotal_rss 500\n");
  assert.deepEqual([v1.workingSetBytes, v1.rssBytes], [700, 500]);
  const v2 = parseMemoryStat(1000, "anon 400\ninactive_file 2000\n");
  assert.deepEqual([v2.workingSetBytes, v2.rssBytes], [0, 400]);
});

test("parseMemoryStat tells what a limit leaves, where there is one", () => {
  const available = (limit: string) => parseMemoryStat(1000, "total_inactive_file 300\n", limit).availableBytes;
  assert.equal(available("5000\n"), 4300);
  assert.equal(available("9223372036854771712\n"), undefined);
  assert.equal(available("max\n"), undefined);
  assert.equal(available("100\n"), 0);
});

test("parseSwap tells what is left where there is a limit, and nothing where the kernel keeps no account", () => {
  assert.deepEqual(parseSwap("4096\n", "max\n"), { swapUsageBytes: 4096 });
  assert.deepEqual(parseSwap("4096\n", "8192\n"), { swapUsageBytes: 4096, swapAvailableBytes: 4096 });
  assert.deepEqual(parseSwap("4096\n", "0\n"), { swapUsageBytes: 4096, swapAvailableBytes: 0 });
  assert.equal(parseSwap(undefined, undefined), undefined);
  const machine = parseMachineSwap("SwapCached: 1 kB\nSwapTotal:   1000 kB\nSwapFree:    400 kB\n");
  assert.deepEqual(machine, { swapUsageBytes: 600 * 1024, swapAvailableBytes: 400 * 1024 });
});

test("parseProcessLimits takes the lower limit, and the threads that there are", () => {
  const limits = parseProcessLimits("0.10 0.20 0.30 2/345 6789\n", "4194304\n", "192000\n");
  assert.deepEqual(limits, { maxpid: 192_000, curproc: 345 });
});

test("systemCgroups names the kubelet's own cgroup in both versions, but not the machine's root", () => {
  assert.deepEqual(systemCgroups({ runtime: "/run", system: "/system" }, "5:cpu:/other\n4:memory:/kubelet\n0::/\n"), {
    kubelet: "/kubelet",
    runtime: "/run",
    misc: "/system",
  });
  assert.deepEqual(systemCgroups({ runtime: "", system: "" }, "0::/system.slice/kubelet.service\n"), {
    kubelet: "/system.slice/kubelet.service",
  });
  assert.deepEqual(systemCgroups({ runtime: "", system: "" }, "4:memory:/\n0::/\n"), {});
});

test("parseMeminfo and parseCpuStat read the kernel's units", () => {
  const text =
    "MemTotal:       1000 kB\nMemFree:   400 kB\nInactive:  9 kB\nInactive(file):   100 kB\nAnonPages: 7 kB\n";
  const { usageBytes, workingSetBytes, availableBytes } = parseMeminfo(text);
  const { pageFaults, majorPageFaults } = parseMeminfo(text, "pgfault 12\npgmajfault 0\n");
  assert.deepEqual([pageFaults, majorPageFaults], [12, 0]);
  assert.deepEqual([usageBytes, workingSetBytes, availableBytes], [600 * 1024, 500 * 1024, 500 * 1024]);
  assert.equal(parseCpuStat("usage_usec 12\nuser_usec 5\n"), 12_000);
});

test("parseNetDev leaves loopback and pods' interfaces out", () => {
  const row = (name: string) => ` ${name}: 10 1 2 0 0 0 0 0 20 1 3 0 0 0 0 0`;
  const text = ["Inter-| Receive", " face |bytes", row("lo"), row("eth0"), row("veth1a")].join("\n");
  assert.deepEqual(parseNetDev(text), [{ name: "eth0", rxBytes: 10, rxErrors: 2, txBytes: 20, txErrors: 3 }]);
});

test("CpuRates tells nanoseconds per second and begins anew after a restart", () => {
  const rates = new CpuRates();
  assert.equal(rates.rate("a", 0, 0), undefined);
  assert.equal(rates.rate("a", 500, 0), undefined);
  assert.equal(rates.rate("a", 2500, 1_000_000_000), 500_000_000);
  assert.equal(rates.rate("a", 2600, 1_050_000_000), 500_000_000);
  assert.equal(rates.rate("a", 4500, 1_050_000_000), 25_000_000);
  assert.equal(rates.rate("a", 6000, 5), undefined);
});

test("renderResourceMetrics writes samples with their times", () => {
  const pod = { metadata: { name: "web", namespace: "default" } } as Pod;
  const memory = { workingSetBytes: 4096 };
  const container = { name: "app", timeMs: 2000.4, startedAtMs: 1500, cpuNanos: 5e8, memory, writableLayer: undefined };
  const pods = [{ pod, timeMs: 3000, cpuNanos: undefined, memory, containers: [container] }];
  const lines = renderResourceMetrics({ timeMs: 3000, cpuNanos: 2e9, memory, pods }).split("\n");
  const samples = lines.filter((line) => line && !line.startsWith("#"));
  assert.deepEqual(samples, [
    'container_cpu_usage_seconds_total{container="app",namespace="default",pod="web"} 0.5 2000',
    'container_memory_working_set_bytes{container="app",namespace="default",pod="web"} 4096 2000',
    'container_start_time_seconds{container="app",namespace="default",pod="web"} 1.5 2000',
    "node_cpu_usage_seconds_total 2 3000",
    "node_memory_working_set_bytes 4096 3000",
    'pod_memory_working_set_bytes{namespace="default",pod="web"} 4096 3000',
    "resource_scrape_error 0",
  ]);
});

test("renderResourceMetrics writes swap where it is kept, with limits where there are some", () => {
  const pod = { metadata: { name: "web", namespace: "default" } } as Pod;
  const container = (name: string, swap: object) => ({
    ...{ name, timeMs: 2000, startedAtMs: 0, writableLayer: undefined },
    swap: { swapUsageBytes: 10, ...swap },
  });
  const containers = [container("app", { swapAvailableBytes: 90 }), container("free", {})];
  const pods = [{ pod, timeMs: 3000, swap: { swapUsageBytes: 30 }, containers }];
  const text = renderResourceMetrics({ timeMs: 3000, swap: { swapUsageBytes: 40, swapAvailableBytes: 60 }, pods });
  const samples = text.split("\n").filter((line) => /^[a-z]+_swap/.test(line));
  assert.deepEqual(samples, [
    'container_swap_limit_bytes{container="app",namespace="default",pod="web"} 100 2000',
    'container_swap_usage_bytes{container="app",namespace="default",pod="web"} 10 2000',
    'container_swap_usage_bytes{container="free",namespace="default",pod="web"} 10 2000',
    "node_swap_usage_bytes 40 3000",
    'pod_swap_usage_bytes{namespace="default",pod="web"} 30 3000',
  ]);
  const help =
    "# HELP node_swap_usage_bytes [ALPHA] Current swap usage of the node in bytes. Reported only on non-windows systems";
  assert.ok(text.includes(help));
});

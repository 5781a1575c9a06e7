import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleContainer, samplePod } from "../testing/sample-pods.ts";
import { parseCgroupMounts } from "./cgroup-fs.ts";
import { PodCgroups } from "./pod-cgroups.ts";
import { containerResources, milliCpuToShares, oomScoreAdjust, podCgroupLimits, sharesToWeight } from "./resources.ts";

const GIB = 1024 ** 3;

test("CPU requests become shares, quota and weight as upstream computes them", () => {
  assert.deepEqual([0, 1, 100, 2000].map(milliCpuToShares), [2, 2, 102, 2048]);
  assert.deepEqual([2, 1024, 262_144].map(sharesToWeight), [1, 39, 10_000]);
  const container = sampleContainer("c", { resources: { limits: { cpu: "500m", memory: "1Gi" } } });
  const pod = samplePod({ containers: [container] });
  assert.deepEqual(containerResources(pod, container, { memoryBytes: 4 * GIB, hugePageSizes: [], swap: undefined }), {
    cpuShares: 512,
    cpuQuota: 50_000,
    cpuPeriod: 100_000,
    memoryLimitInBytes: GIB,
    oomScoreAdj: 999,
  });
});

test("oomScoreAdjust spares those that asked for much", () => {
  const score = (resources: object) => {
    const container = sampleContainer("c", { resources });
    return oomScoreAdjust(samplePod({ containers: [container] }), container, 4 * GIB);
  };
  assert.equal(score({}), 1000);
  assert.equal(score({ requests: { memory: "1Gi" } }), 750);
  assert.equal(score({ requests: { cpu: "1" } }), 999);
  const whole = { cpu: "1", memory: "1Gi" };
  assert.equal(score({ requests: whole, limits: whole }), -997);
});

test("podCgroupLimits limits a pod only where every container is limited", () => {
  const limited = sampleContainer("a", { resources: { limits: { memory: "1Gi" }, requests: { memory: "1Gi" } } });
  assert.equal(podCgroupLimits(samplePod({ containers: [limited] }), 0).memoryBytes, GIB);
  const mixed = podCgroupLimits(samplePod({ containers: [limited, sampleContainer("b")] }), 100);
  assert.deepEqual(mixed, { cpuShares: 2, pids: 100 });
});

test("parseCgroupMounts tells versions apart, hybrid too", () => {
  const line = (point: string, type: string, options: string) => `1 2 0:1 / ${point} rw - ${type} cgroup ${options}`;
  const table = [
    line("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"),
    line("/sys/fs/cgroup/systemd", "cgroup", "rw,name=systemd"),
    line("/sys/fs/cgroup/unified", "cgroup2", "rw"),
    line("/elsewhere", "cgroup", "rw,cpu,cpuacct"),
  ].join("\n");
  assert.deepEqual(parseCgroupMounts(table), [
    { mountPoint: "/sys/fs/cgroup/cpu,cpuacct", controllers: ["cpu", "cpuacct"], isV2: false },
    { mountPoint: "/sys/fs/cgroup/systemd", controllers: [], isV2: false },
    { mountPoint: "/sys/fs/cgroup/unified", controllers: [], isV2: true },
  ]);
});

test("PodCgroups puts pods under their quality of service and finds them again", async () => {
  const removed: string[] = [];
  const tree: Record<string, string[]> = { "/skiff/n1/kubepods/besteffort": ["poda", "podb"] };
  const cgroups = new PodCgroups(
    { root: "/skiff/n1", milliCpuCapacity: 2000, podPidsLimit: 0 },
    {
      create: async () => {},
      apply: async () => {},
      children: async (path) => new Set(tree[path] ?? []),
      remove: async (path) => {
        removed.push(path);
      },
    },
  );
  assert.match(cgroups.path(samplePod()), /^\/skiff\/n1\/kubepods\/besteffort\/pod1111/);
  assert.deepEqual(await cgroups.list(), new Set(["a", "b"]));
  await cgroups.remove("b");
  const kubepods = "/skiff/n1/kubepods";
  assert.deepEqual(removed, [`${kubepods}/podb`, `${kubepods}/burstable/podb`, `${kubepods}/besteffort/podb`]);
  const own = await cgroups.create(samplePod());
  removed.length = 0;
  await cgroups.remove(samplePod().metadata.uid ?? "");
  assert.deepEqual(removed, [own]);
});

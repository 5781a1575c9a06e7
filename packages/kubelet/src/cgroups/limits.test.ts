// Limits beyond CPU and memory: huge pages, swap, sandboxes, and the cgroups of the system.
import assert from "node:assert/strict";
import { test } from "node:test";
import { defaultSettings } from "../configuration/fields.ts";
import { enforceReserved } from "../node/enforce-reserved.ts";
import { sampleContainer, samplePod } from "../testing/sample-pods.ts";
import { mediumMount } from "../volumes/empty-dir-medium.ts";
import { cgroupNames } from "./cgroup-names.ts";
import type { CpuQuotas } from "./cpu-quotas.ts";
import { endsWhole } from "./machine-limits.ts";
import type { CgroupLimits } from "./resources.ts";
import { containerCpu, containerResources, podCgroupLimits } from "./resources.ts";
import { sandboxOverhead, sandboxResources } from "./sandbox-resources.ts";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

test("huge pages are limited by size, in containers and pods; sizes that nobody asks for are shut", () => {
  const huge = sampleContainer("c", {
    resources: {
      limits: { memory: "1Gi", "hugepages-2Mi": "4Mi" },
      requests: { memory: "1Gi", "hugepages-2Mi": "4Mi" },
    },
  });
  const pod = samplePod({ containers: [huge] });
  const machine = { memoryBytes: 4 * GIB, hugePageSizes: ["2Mi", "1Gi"], swap: undefined };
  assert.deepEqual(containerResources(pod, huge, machine).hugepageLimits, [
    { pageSize: "2MB", limit: 4 * MIB },
    { pageSize: "1GB", limit: 0 },
  ]);
  assert.deepEqual(podCgroupLimits(pod, { podPidsLimit: 0, hugePageSizes: ["2Mi", "1Gi"] }).hugePages, {
    "2Mi": 4 * MIB,
    "1Gi": 0,
  });
  assert.equal(podCgroupLimits(pod, { podPidsLimit: 0 }).hugePages, undefined);
});

test("only containers of burstable pods swap, by their share of the memory", () => {
  const swapOf = (resources: object, behavior: "NoSwap" | "LimitedSwap", priority = 0, annotations = {}) => {
    const container = sampleContainer("c", { resources });
    const swap = { behavior, bytes: 2 * GIB };
    const machine = { memoryBytes: 4 * GIB, hugePageSizes: [], swap };
    const pod = samplePod({ containers: [container], priority });
    const marked = { ...pod, metadata: { ...pod.metadata, annotations } };
    return containerResources(marked, container, machine).unified;
  };
  const burstable = { requests: { memory: "1Gi" }, limits: { memory: "2Gi" } };
  assert.deepEqual(swapOf(burstable, "LimitedSwap"), { "memory.swap.max": String(GIB / 2) });
  assert.deepEqual(swapOf(burstable, "LimitedSwap", 2_000_000_000), { "memory.swap.max": "0" });
  const fromFile = { "kubernetes.io/config.source": "file" };
  assert.deepEqual(swapOf(burstable, "LimitedSwap", 0, fromFile), { "memory.swap.max": "0" });
  assert.deepEqual(swapOf(burstable, "NoSwap"), { "memory.swap.max": "0" });
  assert.deepEqual(swapOf({}, "LimitedSwap"), { "memory.swap.max": "0" });
  const equal = { requests: { memory: "1Gi" }, limits: { memory: "1Gi" } };
  assert.deepEqual(swapOf(equal, "LimitedSwap"), { "memory.swap.max": "0" });
});

test("on version 2 a container that runs out of memory ends whole", () => {
  const container = sampleContainer("c");
  const pod = samplePod({ containers: [container] });
  const machine = { memoryBytes: 4 * GIB, hugePageSizes: [], swap: undefined };
  const unified = (endsWhole: boolean) => containerResources(pod, container, { ...machine, endsWhole }).unified;
  assert.deepEqual([unified(true), unified(false)], [{ "memory.oom.group": "1" }, undefined]);
  // Unless single processes are to be killed, as version 1 does whatever is wanted.
  const onV2 = [undefined, false, true].map((single) => endsWhole(single, true));
  assert.deepEqual([...onV2, endsWhole(undefined, false), endsWhole(true, false)], [true, true, false, false, false]);
  assert.throws(() => endsWhole(false, false), /singleProcessOOMKill must not be explicitly set to false/);
});

test("a sandbox is told of its pod's size, and of its own overhead apart", () => {
  const resources = { requests: { cpu: "500m" }, limits: { cpu: "1", memory: "1Gi" } };
  const pod = samplePod({
    containers: [sampleContainer("c", { resources })],
    overhead: { cpu: "250m", memory: "128Mi" },
  });
  assert.deepEqual(sandboxResources(pod), {
    cpuShares: 512,
    cpuQuota: 100_000,
    cpuPeriod: 100_000,
    memoryLimitInBytes: GIB,
  });
  assert.deepEqual(sandboxOverhead(pod), {
    cpuShares: 256,
    cpuQuota: 25_000,
    cpuPeriod: 100_000,
    memoryLimitInBytes: 128 * MIB,
  });
  assert.equal(sandboxOverhead(samplePod()), undefined);
  assert.equal(podCgroupLimits(pod, { podPidsLimit: 0 }).memoryBytes, GIB + 128 * MIB, "the pod's cgroup holds both");
});

test("an emptyDir of huge pages has the size that the pod asks for", () => {
  const asking = (...sizes: string[]) =>
    samplePod({
      containers: [
        sampleContainer("c", {
          resources: { limits: Object.fromEntries(sizes.map((size) => [`hugepages-${size}`, "4Mi"])) },
        }),
      ],
    });
  assert.equal(mediumMount(asking(), {}), undefined);
  assert.deepEqual(mediumMount(asking(), { medium: "Memory", sizeLimit: "1Ki" }), {
    type: "tmpfs",
    options: ["size=1024"],
  });
  const twoMega = { type: "hugetlbfs", options: ["pagesize=2048K"] };
  assert.deepEqual(mediumMount(asking("2Mi"), { medium: "HugePages" }), twoMega);
  assert.deepEqual(mediumMount(asking("2Mi", "1Gi"), { medium: "HugePages-2Mi" }), twoMega);
  assert.throws(() => mediumMount(asking("2Mi", "1Gi"), { medium: "HugePages" }), /multiple huge page sizes/);
  assert.throws(() => mediumMount(asking(), { medium: "HugePages" }), /no resource request for huge pages/);
  assert.throws(
    () => mediumMount(asking("2Mi"), { medium: "HugePages-1Gi" }),
    /medium HugePages-1Gi: hugePages storage requested, but there/,
  );
  assert.throws(() => mediumMount(asking(), { medium: "Tape" }), /unknown storage medium "Tape"/);
});

test("enforceReserved limits the cgroups it is told of, and stops the start where one is missing", async () => {
  const applied: [string, CgroupLimits][] = [];
  const said: string[] = [];
  const deps = {
    nodeName: "n1",
    recorder: {
      record: (_about: object, _type: string, reason: string, message: string) => said.push(`${reason}: ${message}`),
    },
    cgroups: {
      names: cgroupNames("cgroupfs"),
      files: { exists: async (path: string) => path === "/system.slice" },
      maker: { apply: async (path: string, limits: CgroupLimits) => void applied.push([path, limits]) },
    },
  };
  const settings = {
    ...defaultSettings(),
    systemReserved: { cpu: "500m", memory: "1Gi", pid: "1000" },
    systemReservedCgroup: "/system.slice",
  };
  await enforceReserved(settings, deps);
  assert.deepEqual(applied, [], "nothing unless asked for");
  await enforceReserved({ ...settings, enforceNodeAllocatable: ["pods", "system-reserved"] }, deps);
  assert.deepEqual(applied.pop(), ["/system.slice", { cpuShares: 512, memoryBytes: GIB, pids: 1000 }]);
  await enforceReserved({ ...settings, enforceNodeAllocatable: ["system-reserved-compressible"] }, deps);
  assert.deepEqual(applied.pop(), ["/system.slice", { cpuShares: 512 }]);
  const missing = { ...settings, enforceNodeAllocatable: ["kube-reserved"], kubeReservedCgroup: "/kube" };
  const words = 'Failed to enforce Kube Reserved Cgroup Limits on "/kube": "/kube" cgroup does not exist';
  await assert.rejects(enforceReserved(missing, deps), { message: words });
  assert.deepEqual(said.slice(-1), [`FailedNodeAllocatableEnforcement: ${words}`]);
});

test("a pod that is sized as a whole bounds itself, and containers without limits of their own", () => {
  const bound = sampleContainer("bound", { resources: { limits: { memory: "64Mi", cpu: "0" } } });
  const free = sampleContainer("free");
  const resources = {
    requests: { cpu: "1", memory: "1Gi", "hugepages-2Mi": "4Mi" },
    limits: { cpu: "2", memory: "2Gi", "hugepages-2Mi": "4Mi" },
  };
  const pod = samplePod({ containers: [bound, free], resources });
  const machine = { memoryBytes: 4 * GIB, hugePageSizes: ["2Mi"], swap: undefined };
  assert.deepEqual(podCgroupLimits(pod, { podPidsLimit: 0, hugePageSizes: ["2Mi"] }), {
    cpuShares: 1024,
    cpuQuotaUs: 200_000,
    memoryBytes: 2 * GIB,
    hugePages: { "2Mi": 4 * MIB },
  });
  // 1 GiB asked for, half of it for each; the limit stands in for the request of CPU that neither has.
  const { memoryLimitInBytes, ...others } = containerResources(pod, free, machine);
  assert.deepEqual(
    [memoryLimitInBytes, others],
    [
      2 * GIB,
      {
        cpuShares: 2048,
        cpuQuota: 200_000,
        cpuPeriod: 100_000,
        oomScoreAdj: 875,
        hugepageLimits: [{ pageSize: "2MB", limit: 4 * MIB }],
      },
    ],
  );
  assert.equal(containerResources(pod, bound, machine).memoryLimitInBytes, 64 * MIB);
});

test("whoever has processors of its own has no quota, nor has its pod; and nobody where quotas are off", () => {
  const limits = { cpu: "1", memory: "1Gi" };
  const pinned = sampleContainer("pinned", { resources: { limits, requests: limits } });
  const other = sampleContainer("other", { resources: { limits, requests: limits } });
  const pod = samplePod({ containers: [pinned, other] });
  const own: CpuQuotas = { isOn: true, hasOwnCpus: (_, name) => name !== "other" };
  const off: CpuQuotas = { isOn: false, hasOwnCpus: () => false };
  const quotas = (by: CpuQuotas) => [
    containerCpu(pod, pinned, by).cpuQuota,
    containerCpu(pod, other, by).cpuQuota,
    podCgroupLimits(pod, { podPidsLimit: 0, quotas: by }).cpuQuotaUs,
    sandboxResources(pod, by).cpuQuota,
  ];
  assert.deepEqual(quotas(own), [-1, 100_000, -1, -1]);
  assert.deepEqual(quotas(off), [undefined, undefined, -1, undefined]);
});

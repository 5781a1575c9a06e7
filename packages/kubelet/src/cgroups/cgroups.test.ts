import assert from "node:assert/strict";
import { test } from "node:test";
import { sampleContainer, samplePod } from "../testing/sample-pods.ts";
import { parseCgroupMounts, parseProcesses } from "./cgroup-fs.ts";
import { cgroupNames } from "./cgroup-names.ts";
import { oomScoreAdjust } from "./oom-score.ts";
import { PodCgroups } from "./pod-cgroups.ts";
import { containerResources, milliCpuToShares, podCgroupLimits, sharesToWeight } from "./resources.ts";

const GIB = 1024 ** 3;

test("CPU requests become shares, quota and weight as upstream computes them", () => {
  assert.deepEqual([0, 1, 100, 2000].map(milliCpuToShares), [2, 2, 102, 2048]);
  assert.deepEqual([2, 102, 1024, 2048, 262_144].map(sharesToWeight), [1, 17, 100, 174, 10_000]);
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

test("oomScoreAdjust ends no sidecar before the containers that it serves", () => {
  const resources = { requests: { memory: "2Gi" } };
  const sidecar = sampleContainer("side", { restartPolicy: "Always" });
  const pod = samplePod({ initContainers: [sidecar], containers: [sampleContainer("c", { resources })] });
  assert.equal(oomScoreAdjust(pod, sidecar, 4 * GIB), 500);
});

test("podCgroupLimits limits a pod only where every container is limited", () => {
  const limited = sampleContainer("a", { resources: { limits: { memory: "1Gi" }, requests: { memory: "1Gi" } } });
  assert.equal(podCgroupLimits(samplePod({ containers: [limited] }), { podPidsLimit: 0 }).memoryBytes, GIB);
  const mixed = podCgroupLimits(samplePod({ containers: [limited, sampleContainer("b")] }), { podPidsLimit: 100 });
  assert.deepEqual(mixed, { cpuShares: 2, pids: 100 });
});

test("parseProcesses leaves out those of another process namespace, which stand there as 0", () => {
  assert.deepEqual(parseProcesses("12\n0\n0\n345\n"), [12, 345]);
  assert.deepEqual(parseProcesses(""), []);
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
    { root: "/skiff/n1", names: cgroupNames("cgroupfs"), milliCpuCapacity: 2000, podPidsLimit: 0 },
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

test("cgroup names of systemd are slices that hold all above them, and are found again", async () => {
  const names = cgroupNames("systemd");
  const uid = "1111-22";
  const tree: Record<string, string[]> = {
    "/kubepods.slice": ["kubepods-pod1111_22.slice", "kubepods-besteffort.slice"],
  };
  const fs = {
    create: async () => {},
    apply: async () => {},
    remove: async () => {},
    children: async (path: string) => new Set(tree[path] ?? []),
  };
  const cgroups = new PodCgroups({ root: "/", names, milliCpuCapacity: 2000, podPidsLimit: 0 }, fs);
  const pod = samplePod();
  pod.metadata.uid = uid;
  const slice = "kubepods-besteffort-pod1111_22.slice";
  assert.equal(cgroups.path(pod), `/kubepods.slice/kubepods-besteffort.slice/${slice}`);
  assert.equal(await cgroups.create(pod), slice, "the runtime takes the name alone");
  assert.equal(cgroups.containerPath(pod, "c1"), `${cgroups.path(pod)}/cri-containerd-c1.scope`);
  assert.deepEqual(await cgroups.list(), new Set([uid]));
  const nested = new PodCgroups({ root: "/a-b/c", names, milliCpuCapacity: 2000, podPidsLimit: 0 }, fs);
  assert.equal(nested.kubepods, "/a_b.slice/a_b-c.slice/a_b-c-kubepods.slice");
  assert.deepEqual(["system.slice", "/a.slice/a-b.slice"].map(names.given), ["/system.slice", "/a.slice/a-b.slice"]);
});

test("PodCgroups weighs the burstable level with its first pod, and leaves alone what an earlier kubelet weighed", async () => {
  const container = sampleContainer("c", { resources: { requests: { cpu: "500m" } } });
  const pod = samplePod({ containers: [container] });
  const level = "/kubepods/burstable";
  for (const [left, expected] of [
    [[], [2, 512]],
    [["burstable"], [undefined]],
  ] as const) {
    const shares: (number | undefined)[] = [];
    const set = async (path: string, { cpuShares }: { readonly cpuShares?: number }) => {
      if (path === level) shares.push(cpuShares);
    };
    const children = async () => new Set<string>(left);
    const cgroups = new PodCgroups(
      { root: "/", names: cgroupNames("cgroupfs"), milliCpuCapacity: 2000, podPidsLimit: 0 },
      { create: set, apply: set, children, remove: async () => {} },
    );
    await cgroups.setUp();
    await cgroups.create(pod);
    assert.deepEqual(shares, expected);
    await cgroups.rebalance([pod, { ...pod, metadata: { ...pod.metadata, uid: "other" } }]);
    assert.equal(shares.at(-1), 1024);
  }
});

// Processors, memory and their places on machines that upstream's own tests know.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import type { Container, Pod } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { sampleContainer, samplePod } from "../testing/sample-pods.ts";
import { CpuPinner } from "./cpu-pinner.ts";
import { takeDistributed, takePacked } from "./cpus/assign-cpus.ts";
import { formatCpuSet, parseCpuSet } from "./cpus/cpu-set.ts";
import { decodeCpuState, encodeCpuState } from "./cpus/cpu-state.ts";
import { decodeMemoryState, encodeMemoryState } from "./memory/memory-state.ts";
import type { ResourceManagersOptions } from "./resource-managers.ts";
import { ResourceManagers } from "./resource-managers.ts";
import type { MachineTopology } from "./topology/machine-topology.ts";
import { readMachineTopology } from "./topology/machine-topology.ts";
import type { Hint } from "./topology/merge-hints.ts";
import { mergeHints } from "./topology/merge-hints.ts";

const GIB = 1024 ** 3;
const cpus = (text: string) => parseCpuSet(text);
/** One socket, four cores of two threads: 0 and 4 are one core. */
const SINGLE = Array.from({ length: 8 }, (_, id) => ({ id, core: id % 4, socket: 0, node: 0 }));
/** Two sockets, each a node, with three cores of two threads: 0 and 6 are one core, even ones on socket 0. */
const DUAL = Array.from({ length: 12 }, (_, id) => ({ id, core: id % 6, socket: id % 2, node: id % 2 }));

test("takePacked takes what upstream's tests of the same machines take", () => {
  const take = (machine: typeof SINGLE, available: string, count: number) =>
    formatCpuSet(takePacked(machine, cpus(available), count));
  assert.equal(take(SINGLE, "0-7", 0), "");
  assert.equal(take(SINGLE, "0-7", 1), "0");
  assert.equal(take(SINGLE, "1,3,5-7", 1), "6");
  assert.equal(take(SINGLE, "0-7", 2), "0,4");
  assert.equal(take(SINGLE, "0-7", 8), "0-7");
  assert.equal(take(SINGLE, "0-3,6", 2), "2,6");
  assert.equal(take(DUAL, "1-5,7-11", 1), "2");
  assert.equal(take(DUAL, "0-11", 6), "0,2,4,6,8,10");
  assert.throws(() => take(SINGLE, "0,2,4,6", 5), /not enough cpus available to satisfy request/);
});

test("takePacked keeps to one last cache where it is told to", () => {
  // Eight cores of two threads, four cores behind each cache: 0 and 8 are one core.
  const machine = Array.from({ length: 16 }, (_, id) => ({
    id,
    core: id % 8,
    socket: 0,
    node: 0,
    cache: id % 8 < 4 ? 0 : 4,
  }));
  const take = (available: string, count: number, byCache = true) =>
    formatCpuSet(takePacked(machine, cpus(available), count, byCache));
  assert.equal(take("2-15", 8), "4-7,12-15");
  assert.equal(take("2-15", 8, false), "2-5,10-13");
  assert.equal(take("2-15", 2), "2,10", "a part of the fuller cache");
  assert.equal(take("0-15", 10), "0-4,8-12", "a whole cache and a part of the other");
  assert.equal(take("2-3,6-7,10-11,14-15", 6), "2-3,6,10-11,14", "no cache has so many");
  assert.equal(take("0-15", 3), "0-1,8");
});

test("takeDistributed spreads evenly over the fewest nodes that can hold it", () => {
  const take = (available: string, count: number, group = 1) =>
    formatCpuSet(takeDistributed(DUAL, cpus(available), count, group));
  assert.equal(take("0-11", 6), "0,2,4,6,8,10");
  assert.equal(take("0-11", 8), "0-3,6-9");
  assert.equal(take("0-11", 8, 2), "0-3,6-9");
  assert.equal(take("0-3,6,7", 6), "0-3,6-7", "packed where it does not go evenly");
});

test("cpusets and the state files of both managers read as they were written, and damage shows", () => {
  assert.equal(formatCpuSet(cpus("8,0-3,5")), "0-3,5,8");
  assert.throws(() => cpus("3-1"), /invalid cpuset/);
  const state = { shared: cpus("0,2-3"), assignments: new Map([["u", new Map([["c", cpus("1")]])]]) };
  const text = encodeCpuState("static", state);
  assert.deepEqual(decodeCpuState(text, "static"), state);
  assert.throws(() => decodeCpuState(text, "none"), /differs from state checkpoint policy "static"/);
  assert.throws(() => decodeCpuState(text.replace('"c":"1"', '"c":"2"'), "static"), /corrupted/);
  const table = { total: 4, systemReserved: 1, allocatable: 3, reserved: 2, free: 1 };
  const memory = {
    machine: { 0: { numberOfAssignments: 1, memoryMap: { memory: table }, cells: [0] } },
    assignments: { u: { c: [{ numaAffinity: [0], type: "memory", size: 2 }] } },
  };
  assert.deepEqual(decodeMemoryState(encodeMemoryState("Static", memory), "Static"), memory);
  const empty = encodeMemoryState("None", { machine: {}, assignments: {} });
  assert.equal(empty, '{"policyName":"None","machineState":{},"checksum":4236770233}', "upstream's own");
});

test("mergeHints finds a place that suits all, and judges it by the policy", () => {
  const numa = { nodes: [0, 1] };
  const of = (...hints: Hint[]) => new Map([["r", hints]]);
  const on = (nodes: number, preferred = true): Hint => ({ nodes, preferred });
  const either = of(on(0b01), on(0b10), on(0b11, false));
  const agreed = mergeHints("restricted", [either, of(on(0b10))], numa);
  assert.deepEqual(agreed, { hint: on(0b10), admitted: true });
  const apart = [of(on(0b01)), of(on(0b10))];
  assert.deepEqual(mergeHints("best-effort", apart, numa), { hint: on(0b11, false), admitted: true });
  assert.equal(mergeHints("restricted", apart, numa).admitted, false);
  // One wants both nodes, the other one of them: what they share is not what the first needs.
  assert.equal(mergeHints("restricted", [of(on(0b11)), either], numa).admitted, false);
  const wide = mergeHints("restricted", [of(on(0b11))], numa);
  assert.deepEqual(wide, { hint: on(0b11), admitted: true }, "both nodes may be the least there is");
  assert.equal(mergeHints("single-numa-node", [of(on(0b11))], numa).admitted, false);
  const none = mergeHints("single-numa-node", [new Map()], numa);
  assert.deepEqual(none, { hint: { nodes: undefined, preferred: true }, admitted: true });
  assert.equal(mergeHints("best-effort", [of()], numa).hint.preferred, false);
  const line = { nodes: [0, 1, 2], distance: (a: number, b: number) => 10 + 10 * Math.abs(a - b) };
  const pairs = of(on(0b101), on(0b110));
  assert.equal(mergeHints("best-effort", [pairs], line).hint.nodes, 0b110, "the nearer pair");
});

const MACHINE: MachineTopology = {
  cpus: DUAL,
  nodes: [0, 1].map((id) => ({ id, memoryBytes: 8 * GIB, hugePages: new Map(), distances: [10, 21] })),
};
const CPU = { reservedCpus: "0,6", reservedAmounts: [], policyOptions: {} };
const MEMORY = { reserved: [{ numaNode: 0, limits: { memory: "1Gi" } }], nodeReservedBytes: GIB };

async function withManagers(
  options: Partial<ResourceManagersOptions>,
  work: (managers: ResourceManagers, again: () => Promise<ResourceManagers>, rootDir: string) => Promise<void>,
): Promise<void> {
  const rootDir = await mkdtemp(join(tmpdir(), "resources-managers-"));
  const all: ResourceManagers[] = [];
  const make = async () => {
    const defaults = {
      cpu: undefined,
      memory: undefined,
      reconcileMs: 10_000,
      preferClosestNodes: false,
      maxNumaNodes: 8,
    };
    const policy = { topologyPolicy: "none", topologyScope: "container" } as const;
    const managers = new ResourceManagers(
      { rootDir, ...policy, ...defaults, ...options },
      {
        clock: realClock,
        log: silentLogger(),
        onCapacity: () => {},
        running: () => [],
        pods: () => [],
        updateContainer: async () => {},
        readTopology: async () => MACHINE,
      },
    );
    all.push(managers);
    await managers.restore();
    return managers;
  };
  try {
    await work(await make(), make, rootDir);
  } finally {
    // A state file may still be on its way.
    for (const managers of all) await managers.close();
    await rm(rootDir, { recursive: true });
  }
}

function guaranteed(uid: string, cpu: string, memory = "1Gi", more: Partial<Pod["spec"]> = {}): Pod {
  const resources = { requests: { cpu, memory }, limits: { cpu, memory } };
  return samplePod({ containers: [sampleContainer("c", { resources })], ...more }, { uid });
}

const messageOf = (answer: { admitted: boolean; message?: string }) => answer.message ?? "admitted";
const only = (pod: Pod): Container => pod.spec.containers[0] as Container;

test("the static CPU policy gives whole processors to guaranteed containers and leaves the rest shared", async () => {
  await withManagers({ cpu: CPU }, async (managers, again, rootDir) => {
    const pinned = guaranteed("a", "2");
    assert.deepEqual(await managers.allocate(pinned), { admitted: true });
    assert.equal(
      (await managers.extrasFor(pinned, only(pinned))).cpusetCpus,
      "2,8",
      "the first core beside the reserved",
    );
    const sharing = guaranteed("b", "1500m");
    assert.deepEqual(await managers.allocate(sharing), { admitted: true });
    assert.equal((await managers.extrasFor(sharing, only(sharing))).cpusetCpus, "0-1,3-7,9-11");
    const greedy = await managers.allocate(guaranteed("d", "9"));
    assert.equal(
      messageOf(greedy),
      "Allocate failed due to not enough cpus available to satisfy request: requested=9, available=8, which is unexpected",
    );
    await waitFor("the state", async () =>
      (await readFile(join(rootDir, "cpu_manager_state"), "utf8")).includes('"2,8"'),
    );
    const later = await again();
    assert.equal((await later.extrasFor(pinned, only(pinned))).cpusetCpus, "2,8");
    later.release("a");
    assert.equal((await later.extrasFor(sharing, only(sharing))).cpusetCpus, "0-11");
  });
});

test("init containers' processors pass to the regular containers; half cores are refused on request", async () => {
  await withManagers({ cpu: { ...CPU, policyOptions: { "full-pcpus-only": "true" } } }, async (managers) => {
    const pod = guaranteed("a", "2");
    const init = sampleContainer("init", { ...only(pod), name: "init" });
    const both = samplePod({ initContainers: [init], containers: pod.spec.containers }, { uid: "a" });
    assert.deepEqual(await managers.allocate(both), { admitted: true });
    const extras = await Promise.all([init, only(pod)].map((container) => managers.extrasFor(both, container)));
    assert.deepEqual(
      extras.map(({ cpusetCpus }) => cpusetCpus),
      ["2,8", "2,8"],
    );
    const half = await managers.allocate(guaranteed("b", "1"));
    assert.equal(messageOf(half), "SMT Alignment Error: requested 1 cpus not multiple cpus per core = 2");
  });
});

test("a node whose state is another policy's does not start", async () => {
  await withManagers({ cpu: CPU }, async (_managers, _again, rootDir) => {
    const path = join(rootDir, "cpu_manager_state");
    await waitFor("the state", () => readFile(path, "utf8").then(() => true));
    const options = { rootDir, topologyPolicy: "none", topologyScope: "container" } as const;
    const idle = new ResourceManagers(
      { ...options, cpu: undefined, memory: undefined, reconcileMs: 1, preferClosestNodes: false, maxNumaNodes: 8 },
      {
        clock: realClock,
        log: silentLogger(),
        onCapacity: () => {},
        running: () => [],
        pods: () => [],
        updateContainer: async () => {},
      },
    );
    await assert.rejects(
      idle.restore(),
      /configured policy "none" differs from state checkpoint policy "static", please drain/,
    );
  });
});

test("restricted topology keeps processors and memory on one node, or turns the pod away", async () => {
  const options = { cpu: CPU, memory: MEMORY, topologyPolicy: "restricted" as const };
  await withManagers(options, async (managers, again, rootDir) => {
    const first = guaranteed("a", "4", "6Gi");
    assert.deepEqual(await managers.allocate(first), { admitted: true });
    const { cpusetCpus, cpusetMems } = await managers.extrasFor(first, only(first));
    assert.deepEqual([cpusetCpus, cpusetMems], ["2,4,8,10", "0"]);
    const second = guaranteed("b", "4", "6Gi");
    assert.deepEqual(await managers.allocate(second), { admitted: true });
    assert.deepEqual((await managers.extrasFor(second, only(second))).cpusetMems, "1");
    const third = await managers.allocate(guaranteed("c", "1", "4Gi"));
    assert.deepEqual(third, {
      admitted: false,
      reason: "TopologyAffinityError",
      message: "Resources cannot be allocated with Topology locality",
    });
    await waitFor("the state", async () =>
      (await readFile(join(rootDir, "memory_manager_state"), "utf8")).includes('"b"'),
    );
    const later = await again();
    assert.equal((await later.extrasFor(second, only(second))).cpusetMems, "1");
    for (const uid of ["a", "b"]) later.release(uid);
    assert.deepEqual(
      await later.allocate(guaranteed("wide", "8", "12Gi")),
      { admitted: true },
      "both nodes, as no one has so much",
    );
  });
});

test("with the scope pod, all containers of a pod share a place", async () => {
  const scoped = { cpu: CPU, topologyPolicy: "single-numa-node", topologyScope: "pod" } as const;
  await withManagers(scoped, async (managers) => {
    const { resources } = only(guaranteed("x", "3"));
    const make = (uid: string, count: number) =>
      samplePod(
        { containers: Array.from({ length: count }, (_, at) => sampleContainer(`c${at}`, { resources })) },
        { uid },
      );
    const pod = make("a", 2);
    assert.deepEqual(await managers.allocate(pod), { admitted: true });
    const sets = await Promise.all(pod.spec.containers.map((container) => managers.extrasFor(pod, container)));
    const taken = sets.flatMap(({ cpusetCpus = "" }) => [...cpus(cpusetCpus)]);
    assert.deepEqual(new Set(taken.map((id) => id % 2)), new Set([1]), "node 1 alone has six to give");
    assert.equal((await managers.allocate(make("b", 2))).admitted, false);
  });
});

test("CpuPinner moves running containers once, and tries again where it failed", async () => {
  const done: string[] = [];
  let shared = "0-3";
  let isBroken = true;
  const pinner = new CpuPinner(10_000, {
    running: () => [{ podUid: "u", name: "c", id: "c-0" }],
    cpusOf: () => shared,
    async update(id, { cpusetCpus }) {
      if (isBroken) throw new Error("not now");
      done.push(`${id} ${cpusetCpus}`);
    },
    clock: realClock,
    log: silentLogger(),
  });
  await pinner.reconcile();
  isBroken = false;
  await pinner.reconcile();
  await pinner.reconcile();
  shared = "0,3";
  await pinner.reconcile();
  assert.deepEqual(done, ["c-0 0-3", "c-0 0,3"]);
});

test("readMachineTopology knows who shares a core and the last cache, where the machine tells", async () => {
  const root = await mkdtemp(join(tmpdir(), "resources-sys-"));
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  try {
    await write("cpu/online", "0-2");
    await write("cpu/cpu1/topology/thread_siblings_list", "1-2");
    await write("cpu/cpu1/cache/index3/shared_cpu_list", "0-1");
    await write("node/node1/cpulist", "0-2");
    const { cpus: found } = await readMachineTopology(root);
    const plain = { socket: 0, node: 1 };
    assert.deepEqual(found, [
      { id: 0, core: 0, ...plain },
      { id: 1, core: 1, ...plain, cache: 0 },
      { id: 2, core: 2, ...plain },
    ]);
  } finally {
    await rm(root, { recursive: true });
  }
});

test("readMachineTopology finds this machine's processors and memory", async () => {
  const machine = await readMachineTopology();
  assert.ok(machine.cpus.length > 0);
  const known = new Set(machine.nodes.map(({ id }) => id));
  assert.ok(machine.cpus.every(({ node }) => known.has(node)));
  assert.ok(machine.nodes.some(({ memoryBytes }) => memoryBytes > 0));
});

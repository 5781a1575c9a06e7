// The static memory policy: containers of guaranteed pods get their memory and huge pages from as few NUMA nodes as will do.
import { quantityValue } from "@skiff/api/quantity.ts";
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { hasPodLevelResources, isSidecar } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod } from "@skiff/api/types.ts";
import type { CheckpointFile } from "../../checkpoints/checkpoint-file.ts";
import { formatCpuSet } from "../cpus/cpu-set.ts";
import type { ResourceProvider } from "../resource-provider.ts";
import type { NumaNode } from "../topology/machine-topology.ts";
import type { HintsByResource } from "../topology/merge-hints.ts";
import type { NumaMask } from "../topology/numa-mask.ts";
import { maskOf } from "../topology/numa-mask.ts";
import type { MemoryNeeds } from "./assign-memory.ts";
import { defaultNodes, memoryHints, returnMemory, takeMemory } from "./assign-memory.ts";
import type { MachineMemory, MemoryBlock, MemoryTable } from "./memory-state.ts";
import { decodeMemoryState, encodeMemoryState } from "./memory-state.ts";

/** NUMA node → kind of memory → bytes kept for the system. */
export type ReservedMemory = ReadonlyMap<number, MemoryNeeds>;

/** `reserved` must add up to what the node reserves, which is checked before. */
export interface MemoryManagerOptions {
  readonly nodes: readonly NumaNode[];
  readonly reserved: ReservedMemory;
}

/**
 * Counts what it promised, and the runtime's cpuset.mems holds containers to their nodes. Containers of other pods
 * take their memory from anywhere and are not counted.
 */
export class MemoryManager implements ResourceProvider {
  private readonly file: Pick<CheckpointFile, "read" | "save">;
  private readonly fresh: MachineMemory;
  private machine: MachineMemory;
  private readonly assignments = new Map<string, Map<string, readonly MemoryBlock[]>>();

  constructor(
    { nodes, reserved }: MemoryManagerOptions,
    deps: { readonly file: Pick<CheckpointFile, "read" | "save"> },
  ) {
    this.file = deps.file;
    this.fresh = machineMemory(nodes, reserved);
    this.machine = this.fresh;
  }

  /** Throws where the state is of another policy or another machine. */
  async restore(): Promise<void> {
    const text = await this.file.read();
    if (text === undefined) return this.save();
    const { machine, assignments } = decodeMemoryState(text, "Static");
    for (const [uid, containers] of Object.entries(assignments)) {
      this.assignments.set(uid, new Map(Object.entries(containers)));
    }
    const blocks = Object.values(assignments).flatMap((containers) => Object.values(containers).flat());
    // Given back whole, what was saved must be what the machine has now.
    if (describe(returnMemory(machine, blocks)) !== describe(this.fresh)) {
      throw new Error("[memorymanager] the expected machine state is different from the real one");
    }
    this.machine = machine;
  }

  /** Empty where the container's memory may come from anywhere. */
  hints(pod: Readonly<Pod>, container: Container): HintsByResource {
    const needs = needsOf(pod, container);
    const own = this.blocksOf(uidOf(pod), container.name);
    if (own.length === 0) return needs.size > 0 ? memoryHints(this.machine, needs) : new Map();
    const preferred = (nodes: readonly number[]) => [{ nodes: maskOf(nodes), preferred: true }];
    return new Map(own.map(({ type, numaAffinity }) => [type, preferred(numaAffinity)]));
  }

  podHints(pod: Readonly<Pod>): HintsByResource {
    const needs = podNeeds(pod);
    if (needs.size === 0) return new Map();
    const own = [...(this.assignments.get(uidOf(pod))?.values() ?? [])].flat();
    if (own.length === 0) return memoryHints(this.machine, needs);
    return new Map(own.map(({ type, numaAffinity }) => [type, [{ nodes: maskOf(numaAffinity), preferred: true }]]));
  }

  /** Throws where no set of nodes has enough. An affinity that cannot give it is passed over for the best that can. */
  allocate(pod: Readonly<Pod>, container: Container, affinity: NumaMask | undefined): void {
    const uid = uidOf(pod);
    const needs = needsOf(pod, container);
    if (needs.size === 0 || this.blocksOf(uid, container.name).length > 0) return;
    const machine = this.withoutInits(pod, container);
    const ways = [...memoryHints(machine, needs).values()];
    const fits = (mask: NumaMask) => ways.every((hints) => hints.some((hint) => hint.nodes === mask));
    const mask = affinity !== undefined && fits(affinity) ? affinity : defaultNodes(machine, needs);
    if (mask === undefined) {
      throw new Error(
        "[memorymanager] failed to get the default NUMA affinity, no NUMA nodes with enough memory is available",
      );
    }
    const { blocks } = takeMemory(machine, needs, mask);
    const containers = this.assignments.get(uid) ?? new Map<string, readonly MemoryBlock[]>();
    this.assignments.set(uid, containers.set(container.name, blocks));
    this.shrinkInits(pod, container, blocks);
    this.rebuild();
  }

  release(podUid: string): void {
    if (this.assignments.delete(podUid)) this.rebuild();
  }

  /** Memory nodes as the kernel lists them; undefined where any will do. */
  nodesOf(podUid: string, container: string): string | undefined {
    const nodes = this.blocksOf(podUid, container).flatMap(({ numaAffinity }) => numaAffinity);
    return nodes.length > 0 ? formatCpuSet(new Set(nodes)) : undefined;
  }

  blocksOf(podUid: string, container: string): readonly MemoryBlock[] {
    return this.assignments.get(podUid)?.get(container) ?? [];
  }

  /** All that containers can get, whoever has it now. */
  get allocatable(): MemoryBlock[] {
    return Object.entries(this.fresh).flatMap(([id, { memoryMap }]) =>
      Object.entries(memoryMap).map(([type, table]) => ({
        numaAffinity: [Number(id)],
        type,
        size: table.allocatable,
      })),
    );
  }

  /** The machine as it is once the pod's init containers are over. */
  private withoutInits(pod: Readonly<Pod>, container: Container): MachineMemory {
    const blocks = this.initsBefore(pod, container).flatMap((name) => this.blocksOf(uidOf(pod), name));
    return returnMemory(this.machine, blocks);
  }

  /** What the container took over from init containers counts once. */
  private shrinkInits(pod: Readonly<Pod>, container: Container, blocks: readonly MemoryBlock[]): void {
    const containers = this.assignments.get(uidOf(pod));
    for (const name of this.initsBefore(pod, container)) {
      const left = this.blocksOf(uidOf(pod), name).flatMap((block) => {
        const taken = blocks.find(
          ({ type, numaAffinity }) => type === block.type && maskOf(numaAffinity) === maskOf(block.numaAffinity),
        );
        const size = block.size - (taken?.size ?? 0);
        return size > 0 ? [{ ...block, size }] : [];
      });
      if (containers?.has(name)) containers.set(name, left);
    }
  }

  private initsBefore(pod: Readonly<Pod>, container: Container): string[] {
    const inits = (pod.spec.initContainers ?? []).filter((init) => !isSidecar(init) && init.name !== container.name);
    return inits.map(({ name }) => name);
  }

  /** Books everything anew. */
  private rebuild(): void {
    const blocks = [...this.assignments.values()].flatMap((containers) => [...containers.values()].flat());
    let machine = this.fresh;
    for (const block of blocks) {
      machine = takeMemory(machine, new Map([[block.type, block.size]]), maskOf(block.numaAffinity)).machine;
    }
    this.machine = machine;
    this.save();
  }

  private save(): void {
    const assignments = Object.fromEntries(
      [...this.assignments].map(([uid, containers]) => [uid, Object.fromEntries(containers)]),
    );
    this.file.save(encodeMemoryState("Static", { machine: this.machine, assignments }));
  }
}

/** The machine with nothing given out. */
function machineMemory(nodes: readonly NumaNode[], reserved: ReservedMemory): MachineMemory {
  const table = (node: number, kind: string, total: number, otherwise = 0): MemoryTable => {
    const systemReserved = reserved.get(node)?.get(kind) ?? 0;
    const allocatable = Math.max(0, total - systemReserved - otherwise);
    return { total, systemReserved, allocatable, reserved: 0, free: allocatable };
  };
  return Object.fromEntries(
    nodes.map(({ id, memoryBytes, hugePages }) => {
      const pages = [...hugePages].map(([size, bytes]) => [`hugepages-${size}`, table(id, `hugepages-${size}`, bytes)]);
      // Huge pages are memory that nothing else can have.
      const inPages = [...hugePages.values()].reduce((sum, bytes) => sum + bytes, 0);
      const memoryMap = { memory: table(id, "memory", memoryBytes, inPages), ...Object.fromEntries(pages) };
      return [id, { numberOfAssignments: 0, memoryMap, cells: [id] }];
    }),
  );
}

/** What must be alike for two states to be of the same machine: sizes, reservations and what is free. */
function describe(machine: MachineMemory): string {
  return Object.entries(machine)
    .map(([id, { memoryMap, numberOfAssignments }]) => {
      const tables = Object.entries(memoryMap).map(([kind, { total, systemReserved, free }]) => {
        return `${kind}=${total}/${systemReserved}/${free}`;
      });
      return `${id}:${numberOfAssignments} ${tables.sort().join(" ")}`;
    })
    .sort()
    .join("\n");
}

/** Memory and huge pages of a guaranteed pod's container. */
function needsOf(pod: Readonly<Pod>, { resources }: Container): Map<string, number> {
  if (podQos(pod) !== "Guaranteed" || hasPodLevelResources(pod)) return new Map();
  const list = Object.entries({ ...resources?.limits, ...resources?.requests });
  const kinds = list.filter(([name]) => name === "memory" || name.startsWith("hugepages-"));
  return new Map(kinds.map(([name, amount]) => [name, quantityValue(amount)]));
}

/** Regular containers and sidecars together, or the largest init container where that is more. */
function podNeeds(pod: Readonly<Pod>): Map<string, number> {
  const inits = pod.spec.initContainers ?? [];
  const total = new Map<string, number>();
  for (const container of [...inits.filter(isSidecar), ...pod.spec.containers]) {
    for (const [kind, bytes] of needsOf(pod, container)) total.set(kind, (total.get(kind) ?? 0) + bytes);
  }
  for (const container of inits.filter((init) => !isSidecar(init))) {
    for (const [kind, bytes] of needsOf(pod, container)) total.set(kind, Math.max(total.get(kind) ?? 0, bytes));
  }
  return total;
}

function uidOf(pod: Readonly<Pod>): string {
  return pod.metadata.uid ?? "";
}

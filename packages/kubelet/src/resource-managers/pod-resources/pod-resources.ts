// Who has which device, processor and memory of the node, in the words of upstream's podresources/v1. Pure.
import { isSidecar } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod } from "@skiff/api/types.ts";
import type { CpuManager } from "../cpus/cpu-manager.ts";
import type { DeviceManager } from "../devices/device-manager.ts";
import type { MemoryManager } from "../memory/memory-manager.ts";
import type { MemoryBlock } from "../memory/memory-state.ts";

/** Where the answers come from; a manager without a static policy holds nothing. */
export interface Holdings {
  readonly devices: Pick<DeviceManager, "allocations" | "offered">;
  readonly cpu: Pick<CpuManager, "exclusiveOf" | "allocatable"> | undefined;
  readonly memory: Pick<MemoryManager, "blocksOf" | "allocatable"> | undefined;
}

interface Topology {
  readonly nodes: readonly { readonly ID: number }[];
}

interface ContainerDevice {
  readonly resourceName: string;
  readonly deviceIds: readonly string[];
  readonly topology?: Topology;
}

interface PodResources {
  readonly name: string;
  readonly namespace: string;
  readonly containers: readonly object[];
}

/** One pod as List and Get answer it. */
export function podResources(pod: Readonly<Pod>, holdings: Holdings): PodResources {
  const { name, namespace = "" } = pod.metadata;
  // Init containers that are over hold nothing.
  const containers = [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers];
  return { name, namespace, containers: containers.map((container) => containerResources(pod, container, holdings)) };
}

/** What containers could get at most, whoever has it now: GetAllocatableResources. */
export function allocatableResources({ devices, cpu, memory }: Holdings): object {
  const offered = [...devices.offered()].flatMap(([resource, { nodes, healthy }]) =>
    [...healthy].sort().map((id) => device(resource, id, nodes.get(id))),
  );
  return {
    devices: offered,
    cpuIds: [...(cpu?.allocatable ?? [])].sort((a, b) => a - b),
    memory: (memory?.allocatable ?? []).map(memoryBlock),
  };
}

function containerResources(pod: Readonly<Pod>, container: Container, { devices, cpu, memory }: Holdings): object {
  const uid = pod.metadata.uid ?? "";
  const offered = devices.offered();
  const held = devices.allocations(uid, container.name).flatMap(({ resource, devices: byNode }) => {
    const ids = new Set([...byNode.values()].flat());
    return [...ids].map((id) => device(resource, id, offered.get(resource)?.nodes.get(id)));
  });
  return {
    name: container.name,
    devices: held,
    cpuIds: [...(cpu?.exclusiveOf(uid, container.name) ?? [])].sort((a, b) => a - b),
    memory: (memory?.blocksOf(uid, container.name) ?? []).map(memoryBlock),
  };
}

function device(resourceName: string, id: string, nodes: readonly number[] = []): ContainerDevice {
  return { resourceName, deviceIds: [id], ...(nodes.length > 0 ? { topology: topologyOf(nodes) } : {}) };
}

function memoryBlock({ type, size, numaAffinity }: MemoryBlock): object {
  return { memoryType: type, size, topology: topologyOf(numaAffinity) };
}

function topologyOf(nodes: readonly number[]): Topology {
  return { nodes: nodes.map((ID) => ({ ID })) };
}

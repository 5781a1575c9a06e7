// memory_manager_state: what of each NUMA node's memory is whose, in upstream's form. Pure.
import type { GoValue } from "../../checkpoints/checksum.ts";
import { checksumOf, goText } from "../../checkpoints/checksum.ts";

/** Bytes of one kind of memory, `memory` or `hugepages-2Mi`, on one node. */
export interface MemoryTable {
  readonly total: number;
  readonly systemReserved: number;
  readonly allocatable: number;
  readonly reserved: number;
  readonly free: number;
}

/** One NUMA node. `numberOfAssignments` counts blocks that lie on it, alone or with others. */
export interface NodeMemory {
  readonly numberOfAssignments: number;
  readonly memoryMap: Readonly<Record<string, MemoryTable>>;
  /** The nodes that are given out together with this one, itself included. */
  readonly cells: readonly number[];
}

/** So many bytes of a kind, from these nodes together. */
export interface MemoryBlock {
  readonly numaAffinity: readonly number[];
  readonly type: string;
  readonly size: number;
}

/** By the number of the NUMA node. */
export type MachineMemory = Readonly<Record<number, NodeMemory>>;
/** Pod UID → container → what it has. */
export type MemoryAssignments = Readonly<Record<string, Readonly<Record<string, readonly MemoryBlock[]>>>>;

/** `machine` follows from the assignments, and is stored all the same, as upstream does. */
export interface MemoryState {
  readonly machine: MachineMemory;
  readonly assignments: MemoryAssignments;
}

/** The file's text with its checksum. */
export function encodeMemoryState(policyName: string, { machine, assignments }: MemoryState): string {
  const checksum = checksumOfState(policyName, machine, assignments);
  const entries = Object.keys(assignments).length > 0 ? { entries: assignments } : {};
  return JSON.stringify({ policyName, machineState: machine, ...entries, checksum });
}

/** Throws upstream's words where the file is another policy's, or damaged. */
export function decodeMemoryState(text: string, policy: string): MemoryState {
  const file = JSON.parse(text) as {
    policyName: string;
    machineState: MachineMemory;
    entries?: MemoryAssignments;
    checksum: number;
  };
  const { policyName, machineState: machine, entries: assignments = {}, checksum } = file;
  if (policyName !== policy) {
    throw new Error(
      `[memorymanager] configured policy ${JSON.stringify(policy)} differs from state checkpoint policy ${JSON.stringify(policyName)}`,
    );
  }
  if (checksumOfState(policyName, machine, assignments) !== checksum) throw new Error("checkpoint is corrupted");
  return { machine, assignments };
}

function checksumOfState(policy: string, machine: MachineMemory, assignments: MemoryAssignments): number {
  return checksumOf({
    type: "*state.MemoryManagerCheckpoint",
    fields: [
      ["PolicyName", goText(policy)],
      ["MachineState", goMap("state.NUMANodeMap", machine, goNode)],
      [
        "Entries",
        goMap("state.ContainerMemoryAssignments", assignments, (containers) =>
          goMap("map[string][]state.Block", containers, (blocks) => ({
            type: "[]state.Block",
            items: blocks.map(goBlock),
          })),
        ),
      ],
      ["Checksum", goText(0, "checksum.Checksum")],
    ],
  });
}

function goMap<T>(type: string, record: Readonly<Record<string, T>>, value: (one: T) => GoValue): GoValue {
  return { type, entries: new Map(Object.entries(record).map(([key, one]) => [key, value(one)])) };
}

function goNode({ numberOfAssignments, memoryMap, cells }: NodeMemory): GoValue {
  return {
    type: "*state.NUMANodeState",
    isPointer: true,
    fields: [
      ["NumberOfAssignments", goText(numberOfAssignments, "int")],
      ["MemoryMap", goMap("map[v1.ResourceName]*state.MemoryTable", memoryMap, goTable)],
      ["Cells", { type: "[]int", items: cells.map((cell) => goText(cell, "int")) }],
    ],
  };
}

function goTable(table: MemoryTable): GoValue {
  return {
    type: "*state.MemoryTable",
    isPointer: true,
    fields: [
      ["TotalMemSize", goText(table.total, "uint64")],
      ["SystemReserved", goText(table.systemReserved, "uint64")],
      ["Allocatable", goText(table.allocatable, "uint64")],
      ["Reserved", goText(table.reserved, "uint64")],
      ["Free", goText(table.free, "uint64")],
    ],
  };
}

function goBlock({ numaAffinity, type, size }: MemoryBlock): GoValue {
  return {
    type: "state.Block",
    fields: [
      ["NUMAAffinity", { type: "[]int", items: numaAffinity.map((node) => goText(node, "int")) }],
      ["Type", goText(type, "v1.ResourceName")],
      ["Size", goText(size, "uint64")],
    ],
  };
}

// From which NUMA nodes a container's memory comes, under upstream's static policy. Pure.
import type { Hint } from "../topology/merge-hints.ts";
import type { NumaMask } from "../topology/numa-mask.ts";
import { countOf, nodesOf, subsetsOf } from "../topology/numa-mask.ts";
import type { MachineMemory, MemoryBlock, NodeMemory } from "./memory-state.ts";

/** Kind of memory → bytes. */
export type MemoryNeeds = ReadonlyMap<string, number>;

/** Per kind, every set of nodes that could give all of it. A set is whole or none: nodes that are paired otherwise are left out. */
export function memoryHints(machine: MachineMemory, needs: MemoryNeeds): Map<string, Hint[]> {
  const nodes = Object.keys(machine).map(Number);
  let fewest = nodes.length;
  const found: { kind: string; nodes: NumaMask }[] = [];
  for (const mask of subsetsOf(nodes)) {
    const inside = nodesOf(mask);
    const sum = (kind: string, field: "allocatable" | "free") =>
      inside.reduce((total, node) => total + (machine[node]?.memoryMap[kind]?.[field] ?? 0), 0);
    if (![...needs].every(([kind, bytes]) => sum(kind, "allocatable") >= bytes)) continue;
    fewest = Math.min(fewest, inside.length);
    if (!canBeTogether(machine, inside)) continue;
    if (![...needs].every(([kind, bytes]) => sum(kind, "free") >= bytes)) continue;
    for (const kind of needs.keys()) found.push({ kind, nodes: mask });
  }
  const hints = new Map<string, Hint[]>([...needs.keys()].map((kind) => [kind, []]));
  for (const { kind, nodes: mask } of found) {
    hints.get(kind)?.push({ nodes: mask, preferred: countOf(mask) === fewest });
  }
  return hints;
}

/** A node that serves alone, or with others, is not paired anew while it serves. */
function canBeTogether(machine: MachineMemory, inside: readonly number[]): boolean {
  const wanted = inside.join();
  return inside.every((node) => {
    const { numberOfAssignments = 0, cells = [] } = machine[node] ?? {};
    return numberOfAssignments === 0 || [...cells].sort((a, b) => a - b).join() === wanted;
  });
}

/** The hint that is best where nobody asked for one; undefined where there is none. */
export function defaultNodes(machine: MachineMemory, needs: MemoryNeeds): NumaMask | undefined {
  const [first = [], ...rest] = memoryHints(machine, needs).values();
  const common = first.filter(({ nodes }) => rest.every((hints) => hints.some((hint) => hint.nodes === nodes)));
  return (common.find(({ preferred }) => preferred) ?? common[0])?.nodes;
}

/** Takes from the nodes in their order; the caller has checked that they have enough. */
export function takeMemory(
  machine: MachineMemory,
  needs: MemoryNeeds,
  mask: NumaMask,
): { machine: MachineMemory; blocks: MemoryBlock[] } {
  const inside = nodesOf(mask);
  const blocks = [...needs].map(([type, size]) => ({ numaAffinity: inside, type, size }));
  return { machine: book(machine, blocks, 1), blocks };
}

/** The opposite of `takeMemory`, for the same blocks. */
export function returnMemory(machine: MachineMemory, blocks: readonly MemoryBlock[]): MachineMemory {
  return book(machine, blocks, -1);
}

function book(machine: MachineMemory, blocks: readonly MemoryBlock[], sign: 1 | -1): MachineMemory {
  const next: Record<number, NodeMemory> = { ...machine };
  for (const { numaAffinity, type, size } of blocks) {
    let left = size;
    for (const id of numaAffinity) {
      const node = next[id];
      const table = node?.memoryMap[type];
      if (!node || !table) continue;
      const numberOfAssignments = node.numberOfAssignments + sign;
      const part = Math.min(left, sign === 1 ? table.free : table.reserved);
      left -= part;
      const changed = { ...table, free: table.free - sign * part, reserved: table.reserved + sign * part };
      next[id] = {
        numberOfAssignments,
        memoryMap: { ...node.memoryMap, [type]: changed },
        // A node that serves nobody is single again.
        cells: numberOfAssignments === 0 ? [id] : sign === 1 ? [...numaAffinity] : node.cells,
      };
    }
  }
  return next;
}

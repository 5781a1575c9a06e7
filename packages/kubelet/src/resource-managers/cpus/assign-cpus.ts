// Which processors are taken so that those taken, and those left, lie close together: upstream's static policy. Pure.
import type { Cpu } from "../topology/machine-topology.ts";
import type { CpuSet } from "./cpu-set.ts";

/**
 * Whole nodes and sockets first, then whole cores, then what remains of cores that are in use. Throws where there are too
 * few. With `byCache` the processors behind one last cache go before cores: whole ones, then a part of one that is enough.
 */
export function takePacked(cpus: readonly Cpu[], available: CpuSet, count: number, byCache = false): Set<number> {
  const taken = new Set<number>();
  const missing = () => count - taken.size;
  if (available.size < count) throw new Error("not enough cpus available to satisfy request");
  const free = () => cpus.filter(({ id }) => available.has(id) && !taken.has(id));
  const order = levelsOf(cpus);
  for (const level of [...order, ...(byCache ? [cache] : []), core]) {
    for (const group of sortedGroups(free(), order, level)) {
      const isWhole = group.length === cpus.filter((cpu) => level(cpu) === level(group[0] as Cpu)).length;
      if (isWhole && group.length <= missing()) for (const { id } of group) taken.add(id);
    }
    if (level === cache) for (const id of partOfOneCache(cpus, free(), order, missing())) taken.add(id);
    if (missing() === 0) return taken;
  }
  for (const group of sortedGroups(free(), order, core)) {
    for (const { id } of group) if (missing() > 0) taken.add(id);
  }
  return taken;
}

/** From the fullest cache that still has so many, core by core; none where no single cache has. */
function partOfOneCache(cpus: readonly Cpu[], free: readonly Cpu[], order: Level[], count: number): number[] {
  if (count === 0) return [];
  const threads = Math.max(1, Math.round(cpus.length / new Set(cpus.map(core)).size));
  for (const group of sortedGroups(free, order, cache)) {
    // Whole cores before those of which a thread is taken.
    const cores = [...Map.groupBy(group, core).values()].sort((a, b) => b.length - a.length || coreOf(a) - coreOf(b));
    const ids = cores.slice(0, Math.ceil(count / threads)).flatMap((members) => members.map(({ id }) => id));
    if (ids.length >= count) return ids.slice(0, count);
  }
  return [];
}

function coreOf(members: readonly Cpu[]): number {
  return members[0]?.core ?? 0;
}

/**
 * Evenly over the fewest nodes that can hold them, in multiples of `groupSize`; packed where they do not divide so.
 * Of several sets of nodes, the one that leaves the nodes most alike is taken.
 */
export function takeDistributed(
  cpus: readonly Cpu[],
  available: CpuSet,
  count: number,
  groupSize: number,
  byCache = false,
): Set<number> {
  const freeOn = (node: number) => cpus.filter((cpu) => cpu.node === node && available.has(cpu.id)).map(({ id }) => id);
  const nodes = [...new Set(cpus.map(({ node }) => node))].sort((a, b) => a - b);
  if (count % groupSize !== 0) return takePacked(cpus, available, count, byCache);
  for (let size = 1; size <= nodes.length; size++) {
    const sets = combinations(nodes, size).filter((set) => set.flatMap(freeOn).length >= count);
    const fair = sets.map((set) => ({ set, shares: fairShares(count / groupSize, size).map((n) => n * groupSize) }));
    const possible = fair.filter(({ set, shares }) =>
      set.every((node, at) => freeOn(node).length >= (shares[at] ?? 0)),
    );
    if (possible.length === 0) continue;
    const leftOver = ({ set, shares }: (typeof possible)[number]) =>
      deviation(nodes.map((node) => freeOn(node).length - (shares[set.indexOf(node)] ?? 0)));
    const [best] = possible.toSorted((a, b) => leftOver(a) - leftOver(b));
    const taken = new Set<number>();
    best?.set.forEach((node, at) => {
      for (const id of takePacked(cpus, new Set(freeOn(node)), best.shares[at] ?? 0, byCache)) taken.add(id);
    });
    return taken;
  }
  return takePacked(cpus, available, count, byCache);
}

/** A processor's group at one level of the machine. */
type Level = (cpu: Cpu) => number;
const core: Level = (cpu) => cpu.core;
const socket: Level = (cpu) => cpu.socket;
const node: Level = (cpu) => cpu.node;
/** A machine that does not tell has one for each node. */
const cache: Level = (cpu) => cpu.cache ?? cpu.node;

/** The wider of node and socket first. */
function levelsOf(cpus: readonly Cpu[]): Level[] {
  const sockets = new Set(cpus.map(socket)).size;
  const nodes = new Set(cpus.map(node)).size;
  return sockets >= nodes ? [node, socket] : [socket, node];
}

/** By the level, the group with the fewest processors left first, inside the fullest of the wider groups. */
function sortedGroups(free: readonly Cpu[], order: readonly Level[], level: Level): Cpu[][] {
  const levels = [...order.slice(0, order.includes(level) ? order.indexOf(level) : order.length), level];
  const sizeOf = new Map(levels.map((one) => [one, countBy(free, one)]));
  const sorted = free.toSorted((a, b) => {
    for (const one of levels) {
      const sizes = sizeOf.get(one);
      const bySize = (sizes?.get(one(a)) ?? 0) - (sizes?.get(one(b)) ?? 0);
      if (bySize !== 0) return bySize;
      if (one(a) !== one(b)) return one(a) - one(b);
    }
    return a.id - b.id;
  });
  return [...Map.groupBy(sorted, level).values()];
}

function countBy(cpus: readonly Cpu[], level: Level): Map<number, number> {
  const counts = new Map<number, number>();
  for (const cpu of cpus) counts.set(level(cpu), (counts.get(level(cpu)) ?? 0) + 1);
  return counts;
}

/** The first get one more where it does not divide. */
function fairShares(total: number, parts: number): number[] {
  return Array.from({ length: parts }, (_, at) => Math.floor(total / parts) + (at < total % parts ? 1 : 0));
}

/** Every choice of `size` of the items. There are few: NUMA nodes number eight at most. */
function combinations(items: readonly number[], size: number): number[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, at) => combinations(items.slice(at + 1), size - 1).map((rest) => [item, ...rest]));
}

/** The standard deviation: 0 where all are alike. */
function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

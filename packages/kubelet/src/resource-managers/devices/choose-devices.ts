// Which devices a container gets, and from which NUMA nodes they could come. Pure but for the plugin's advice.
import type { Hint } from "../topology/merge-hints.ts";
import type { NumaMask } from "../topology/numa-mask.ts";
import { countOf, maskOf, subsetsOf } from "../topology/numa-mask.ts";

/** Device id → the NUMA nodes it is near; empty where it says nothing of them. */
export type DeviceNodes = ReadonlyMap<string, readonly number[]>;

/** One resource for one container. */
export interface DeviceChoice {
  readonly needed: number;
  /** Healthy and free. */
  readonly available: ReadonlySet<string>;
  /** Held by the pod's init containers, which are over when this one runs. */
  readonly reusable: ReadonlySet<string>;
  readonly nodes: DeviceNodes;
  readonly affinity: NumaMask | undefined;
  /** The plugin's advice from some candidates, beside those that are chosen already; undefined where it gives none. */
  prefer(candidates: ReadonlySet<string>, chosen: ReadonlySet<string>): Promise<readonly string[] | undefined>;
}

/** The chosen ids; the caller has checked that there are enough. */
export async function chooseDevices(choice: DeviceChoice): Promise<Set<string>> {
  const { needed, available, reusable, prefer } = choice;
  const chosen = new Set<string>();
  const take = (ids: Iterable<string>) => {
    for (const id of ids) {
      if (chosen.size >= needed) break;
      chosen.add(id);
    }
    return chosen.size >= needed;
  };
  if (take(reusable)) return chosen;
  const { aligned, others } = splitByAffinity(choice);
  const missing = needed - chosen.size;
  // More near devices than are missing: the plugin may choose among them. Of its advice only what was offered counts.
  if (missing < aligned.length) {
    const advice = (await prefer(new Set([...aligned, ...chosen]), chosen)) ?? [];
    if (!take(advice.filter((id) => aligned.includes(id)))) take(aligned);
    return chosen;
  }
  if (take(aligned)) return chosen;
  const advice = (await prefer(new Set([...available, ...chosen]), chosen)) ?? [];
  if (!take(advice.filter((id) => available.has(id)))) take(others);
  return chosen;
}

/** Those on the wanted nodes, and the rest: elsewhere first, those without a place last. */
function splitByAffinity({ available, nodes, affinity }: DeviceChoice): { aligned: string[]; others: string[] } {
  const ids = [...available].sort();
  if (affinity === undefined || !hasTopology(nodes)) return { aligned: [], others: ids };
  const near = (id: string) => (maskOf(nodes.get(id) ?? []) & affinity) !== 0;
  const isPlaced = (id: string) => (nodes.get(id) ?? []).length > 0;
  const elsewhere = ids.filter((id) => isPlaced(id) && !near(id));
  return { aligned: ids.filter(near), others: [...elsewhere, ...ids.filter((id) => !isPlaced(id))] };
}

function hasTopology(nodes: DeviceNodes): boolean {
  return [...nodes.values()].some((list) => list.length > 0);
}

/** Undefined where the place of these devices does not matter; empty where there are not enough. */
export function deviceHints(
  { nodes, available, reusable, needed }: Pick<DeviceChoice, "nodes" | "available" | "reusable" | "needed">,
  numaNodes: readonly number[],
): readonly Hint[] | undefined {
  if (!hasTopology(nodes)) return undefined;
  if (new Set([...available, ...reusable]).size < needed) return [];
  let fewest = numaNodes.length;
  const hints: { nodes: NumaMask; preferred: boolean }[] = [];
  for (const mask of subsetsOf(numaNodes)) {
    const near = (id: string) => (maskOf(nodes.get(id) ?? []) & mask) !== 0;
    if ([...nodes.keys()].filter(near).length >= needed) fewest = Math.min(fewest, countOf(mask));
    const placed = [...reusable].filter((id) => (nodes.get(id) ?? []).length > 0);
    if (!placed.every(near)) continue;
    const fresh = [...available].filter((id) => !reusable.has(id) && near(id));
    if (placed.length + fresh.length >= needed) hints.push({ nodes: mask, preferred: false });
  }
  return hints.map((hint) => ({ ...hint, preferred: countOf(hint.nodes) === fewest }));
}

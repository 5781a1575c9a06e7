// How many pods a PodDisruptionBudget's bound stands for: a bound of "all but one" or "half" needs the size that the pods'
// controllers are asked for, not the number of pods that happen to exist.

import { controllerOf } from "@skiff/api/owner-references.ts";
import type { OwnerReference, Pod, PodDisruptionBudget } from "@skiff/api/types.ts";
import type { PodCounts } from "./budget-status.ts";

/** The size that a controller is asked for; undefined where it is gone or has none. */
export type FindScale = (
  namespace: string,
  owner: Readonly<OwnerReference>,
) => Promise<{ readonly uid: string; readonly replicas: number } | undefined>;

/** What the bound comes to, and which pods it cannot see. */
export interface CountedPods extends PodCounts {
  /** Names of pods that nobody controls, where the bound needs a controller's size: they do not count. */
  readonly unmanaged: readonly string[];
}

/** Throws an Error for a pod whose controller has no size. */
export async function countPods(
  { spec }: Readonly<PodDisruptionBudget>,
  pods: readonly Readonly<Pod>[],
  findScale: FindScale,
): Promise<CountedPods> {
  const { minAvailable, maxUnavailable } = spec ?? {};
  if (maxUnavailable !== undefined) {
    const { expected, unmanaged } = await sumScales(pods, findScale);
    return { expected, desiredHealthy: Math.max(0, expected - shareOf(maxUnavailable, expected)), unmanaged };
  }
  // A plain number needs no controller: so many of these pods, whoever made them.
  if (typeof minAvailable !== "string") {
    return { expected: pods.length, desiredHealthy: minAvailable ?? 1, unmanaged: [] };
  }
  const { expected, unmanaged } = await sumScales(pods, findScale);
  return { expected, desiredHealthy: shareOf(minAvailable, expected), unmanaged };
}

async function sumScales(
  pods: readonly Readonly<Pod>[],
  findScale: FindScale,
): Promise<{ expected: number; unmanaged: string[] }> {
  const scales = new Map<string, number>();
  const asked = new Set<string>();
  const unmanaged: string[] = [];
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (!owner) unmanaged.push(pod.metadata.name);
    if (!owner || asked.has(owner.uid)) continue;
    asked.add(owner.uid);
    const scale = await findScale(pod.metadata.namespace ?? "", owner);
    if (!scale) throw new Error(`found no controllers for pod ${JSON.stringify(pod.metadata.name)}`);
    // Several ReplicaSets of one Deployment lead to the same size, which counts once.
    scales.set(scale.uid, scale.replicas);
  }
  return { expected: [...scales.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged };
}

/** Percentages round up, for both bounds. */
function shareOf(bound: number | string, total: number): number {
  if (typeof bound === "number") return bound;
  const percent = /^(\d+)%$/.exec(bound)?.[1];
  if (percent === undefined) throw new Error(`${JSON.stringify(bound)} is not a percentage`);
  return Math.ceil((Number(percent) * total) / 100);
}

// The next step of a rolling update: how many pods each ReplicaSet should have now.
import type { Deployment, ReplicaSet } from "@skiff/api/types.ts";
import {
  byCreation,
  desiredReplicas,
  isRollingUpdate,
  maxSurge,
  maxUnavailable,
  sumDesired,
  sumStatus,
} from "./replica-counts.ts";

/** A new size for one ReplicaSet (spec.replicas). */
export interface Resize {
  readonly replicaSet: Readonly<ReplicaSet>;
  readonly replicas: number;
}

/** Grow the new ReplicaSet as far as the surge allows; only when that changes nothing, shrink the old ones. */
export function planRollingUpdate(
  deployment: Readonly<Deployment>,
  newSet: Readonly<ReplicaSet>,
  oldSets: readonly Readonly<ReplicaSet>[],
): Resize[] {
  const replicas = newSetReplicas(deployment, newSet, [...oldSets, newSet]);
  if (replicas !== desiredReplicas(newSet)) return [{ replicaSet: newSet, replicas }];
  return planOldSets(deployment, newSet, oldSets);
}

/** What the new ReplicaSet should be asked for now. */
export function newSetReplicas(
  deployment: Readonly<Deployment>,
  newSet: Readonly<ReplicaSet> | undefined,
  allSets: readonly Readonly<ReplicaSet>[],
): number {
  const wanted = desiredReplicas(deployment);
  if (!isRollingUpdate(deployment)) return wanted;
  const current = newSet ? desiredReplicas(newSet) : 0;
  if (current >= wanted) return wanted;
  const room = wanted + maxSurge(deployment) - sumDesired(allSets);
  return room <= 0 ? current : current + Math.min(room, wanted - current);
}

/** Never leaves fewer available pods than desired minus maxUnavailable. */
function planOldSets(
  deployment: Readonly<Deployment>,
  newSet: Readonly<ReplicaSet>,
  oldSets: readonly Readonly<ReplicaSet>[],
): Resize[] {
  if (sumDesired(oldSets) === 0) return [];
  const minAvailable = desiredReplicas(deployment) - maxUnavailable(deployment);
  // New pods that are not available yet use up the same allowance as old ones that are gone.
  const newUnavailable = desiredReplicas(newSet) - (newSet.status?.availableReplicas ?? 0);
  const spare = sumDesired([...oldSets, newSet]) - minAvailable - newUnavailable;
  if (spare <= 0) return [];
  const sizes = new Map(oldSets.map((set) => [set, desiredReplicas(set)]));
  const ordered = oldSets.toSorted(byCreation);
  dropUnhealthy(ordered, sizes, spare);
  dropHealthy(ordered, sizes, sumStatus([...oldSets, newSet], "availableReplicas") - minAvailable);
  return ordered.flatMap((replicaSet) => {
    const replicas = sizes.get(replicaSet) ?? 0;
    return replicas === desiredReplicas(replicaSet) ? [] : [{ replicaSet, replicas }];
  });
}

// Old pods that are not available go first: they serve nobody, and a broken old version must not block the update.
function dropUnhealthy(
  ordered: readonly Readonly<ReplicaSet>[],
  sizes: Map<Readonly<ReplicaSet>, number>,
  atMost: number,
): void {
  let left = atMost;
  for (const set of ordered) {
    if (left <= 0) return;
    const size = sizes.get(set) ?? 0;
    const count = Math.min(left, Math.max(0, size - (set.status?.availableReplicas ?? 0)));
    sizes.set(set, size - count);
    left -= count;
  }
}

/** What still serves goes only as far as enough others do; the oldest sets first. */
function dropHealthy(
  ordered: readonly Readonly<ReplicaSet>[],
  sizes: Map<Readonly<ReplicaSet>, number>,
  atMost: number,
): void {
  let left = atMost;
  for (const set of ordered) {
    if (left <= 0) return;
    const size = sizes.get(set) ?? 0;
    const count = Math.min(left, size);
    sizes.set(set, size - count);
    left -= count;
  }
}

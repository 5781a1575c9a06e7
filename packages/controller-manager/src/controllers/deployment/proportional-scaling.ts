// How a change of a Deployment's size is spread over ReplicaSets that run at the same time.
import type { Deployment, ReplicaSet } from "@skiff/api/types.ts";
import {
  byCreation,
  desiredReplicas,
  isRollingUpdate,
  maxSurge,
  sumDesired,
  withDesiredPods,
} from "./replica-counts.ts";
import { DESIRED_REPLICAS, MAX_REPLICAS, readCount } from "./revisions.ts";
import type { Resize } from "./rolling-update.ts";

/** Whether the Deployment's size changed since its ReplicaSets were last sized, as their annotation says. */
export function isScalingEvent(
  deployment: Readonly<Deployment>,
  replicaSets: readonly Readonly<ReplicaSet>[],
): boolean {
  return withDesiredPods(replicaSets).some((replicaSet) => {
    const desired = readCount(replicaSet, DESIRED_REPLICAS);
    return desired !== undefined && desired !== desiredReplicas(deployment);
  });
}

/** New sizes for a paused Deployment, or for one whose size changed. Unchanged sizes are listed where annotations must follow. */
export function planScaling(
  deployment: Readonly<Deployment>,
  newSet: Readonly<ReplicaSet> | undefined,
  oldSets: readonly Readonly<ReplicaSet>[],
): Resize[] {
  const wanted = desiredReplicas(deployment);
  const single = activeOrLatest(newSet, oldSets);
  if (single) return [{ replicaSet: single, replicas: wanted }];
  // The new set has all it needs: whatever an unfinished rollout left behind goes.
  if (newSet && isSaturated(deployment, newSet)) {
    return withDesiredPods(oldSets).map((replicaSet) => ({ replicaSet, replicas: 0 }));
  }
  if (!isRollingUpdate(deployment)) return [];
  const active = withDesiredPods(newSet ? [...oldSets, newSet] : oldSets);
  return spread(deployment, active);
}

/** The one ReplicaSet that takes the whole change; undefined when several run. */
function activeOrLatest(
  newSet: Readonly<ReplicaSet> | undefined,
  oldSets: readonly Readonly<ReplicaSet>[],
): Readonly<ReplicaSet> | undefined {
  const active = withDesiredPods(newSet ? [...oldSets, newSet] : oldSets);
  if (active.length === 0) return newSet ?? oldSets.toSorted(byCreation).at(-1);
  return active.length === 1 ? active[0] : undefined;
}

/** The new set has the whole of the desired size, and all its pods are available. */
function isSaturated(deployment: Readonly<Deployment>, newSet: Readonly<ReplicaSet>): boolean {
  const wanted = desiredReplicas(deployment);
  return (
    desiredReplicas(newSet) === wanted &&
    readCount(newSet, DESIRED_REPLICAS) === wanted &&
    (newSet.status?.availableReplicas ?? 0) === wanted
  );
}

/** Each set keeps its share of the whole, so that a resize in the middle of a rollout neither hastens nor undoes it. */
function spread(deployment: Readonly<Deployment>, active: readonly Readonly<ReplicaSet>[]): Resize[] {
  const wanted = desiredReplicas(deployment);
  // The surge counts, since all sets together had it when they were sized.
  const allowed = wanted > 0 ? wanted + maxSurge(deployment) : 0;
  const toAdd = allowed - sumDesired(active);
  let added = 0;
  const resizes = active.toSorted(toAdd > 0 ? bySizeThenNewest : bySizeThenOldest).map((replicaSet) => {
    const share = proportion(deployment, replicaSet, toAdd, added);
    added += share;
    return { replicaSet, replicas: desiredReplicas(replicaSet) + share };
  });
  // What rounding left over goes to the largest.
  return resizes.map((resize, index) =>
    index === 0 ? { ...resize, replicas: Math.max(0, resize.replicas + toAdd - added) } : resize,
  );
}

function proportion(deployment: Readonly<Deployment>, set: Readonly<ReplicaSet>, toAdd: number, added: number): number {
  if (desiredReplicas(set) === 0 || toAdd === 0 || toAdd === added) return 0;
  const fraction = fractionOf(deployment, set);
  const left = toAdd - added;
  return toAdd > 0 ? Math.min(fraction, left) : Math.max(fraction, left);
}

/** How much the set grows (or shrinks) to keep its share: upstream's getReplicaSetFraction. */
function fractionOf(deployment: Readonly<Deployment>, set: Readonly<ReplicaSet>): number {
  const wanted = desiredReplicas(deployment);
  const current = desiredReplicas(set);
  if (wanted === 0) return -current;
  const maxBefore = readCount(set, MAX_REPLICAS) || deployment.status?.replicas;
  if (!maxBefore) return 0;
  return Math.round((current * (wanted + maxSurge(deployment))) / maxBefore) - current;
}

function bySizeThenNewest(a: Readonly<ReplicaSet>, b: Readonly<ReplicaSet>): number {
  return desiredReplicas(b) - desiredReplicas(a) || byCreation(b, a);
}

function bySizeThenOldest(a: Readonly<ReplicaSet>, b: Readonly<ReplicaSet>): number {
  return desiredReplicas(b) - desiredReplicas(a) || byCreation(a, b);
}

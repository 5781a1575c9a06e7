// Sums over ReplicaSets, and what maxSurge and maxUnavailable come to in pods.
import type { Deployment, ReplicaSet } from "@skiff/api/types.ts";

/** Absent means 1, as the server defaults it. */
export function desiredReplicas(object: {
  readonly spec?: { readonly replicas?: number | undefined } | undefined;
}): number {
  return object.spec?.replicas ?? 1;
}

/** Pods that the ReplicaSets are asked for. */
export function sumDesired(replicaSets: readonly Readonly<ReplicaSet>[]): number {
  return replicaSets.reduce((sum, replicaSet) => sum + desiredReplicas(replicaSet), 0);
}

/** Pods that the ReplicaSets report; a set that has reported nothing counts as 0. */
export function sumStatus(
  replicaSets: readonly Readonly<ReplicaSet>[],
  field: "replicas" | "readyReplicas" | "availableReplicas" | "terminatingReplicas",
): number {
  return replicaSets.reduce((sum, replicaSet) => sum + (replicaSet.status?.[field] ?? 0), 0);
}

/** Those asked for any pods. */
export function withDesiredPods<T extends Readonly<ReplicaSet>>(replicaSets: readonly T[]): T[] {
  return replicaSets.filter((replicaSet) => desiredReplicas(replicaSet) > 0);
}

/** Oldest first; equal times by name. */
export function byCreation(a: Readonly<ReplicaSet>, b: Readonly<ReplicaSet>): number {
  const order = compareText(a.metadata.creationTimestamp, b.metadata.creationTimestamp);
  return order || compareText(a.metadata.name, b.metadata.name);
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Absent means RollingUpdate, as the server defaults it. */
export function isRollingUpdate(deployment: Readonly<Deployment>): boolean {
  return deployment.spec.strategy?.type !== "Recreate";
}

/** Pods beyond the desired count that a rolling update may have at once. */
export function maxSurge(deployment: Readonly<Deployment>): number {
  return isRollingUpdate(deployment) ? fenceposts(deployment).surge : 0;
}

/** Pods below the desired count that may be unavailable during a rolling update. */
export function maxUnavailable(deployment: Readonly<Deployment>): number {
  const replicas = desiredReplicas(deployment);
  if (!isRollingUpdate(deployment) || replicas === 0) return 0;
  return Math.min(fenceposts(deployment).unavailable, replicas);
}

// Upstream's ResolveFenceposts: percentages of surge round up and of unavailability down. Both zero would never move, so one may be unavailable.
function fenceposts(deployment: Readonly<Deployment>): { surge: number; unavailable: number } {
  const replicas = desiredReplicas(deployment);
  const rolling = deployment.spec.strategy?.rollingUpdate;
  const surge = resolve(rolling?.maxSurge, replicas, Math.ceil);
  const unavailable = resolve(rolling?.maxUnavailable, replicas, Math.floor);
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

/** `25%` of `total`, or the number itself; 0 for what is neither, as upstream does once validation has passed. */
function resolve(value: number | string | undefined, total: number, round: (n: number) => number): number {
  if (value === undefined) return 0;
  if (typeof value === "number") return value;
  const percent = /^(\d+)%$/.exec(value)?.[1];
  return percent === undefined ? 0 : round((Number(percent) * total) / 100);
}

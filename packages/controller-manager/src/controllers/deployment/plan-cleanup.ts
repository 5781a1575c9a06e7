// Which old ReplicaSets a Deployment no longer keeps for rollbacks.
import type { Deployment, ReplicaSet } from "@skiff/api/types.ts";
import { byCreation, desiredReplicas } from "./replica-counts.ts";
import { compareRevisions } from "./revisions.ts";

/** Upstream's "keep all": math.MaxInt32, as in manifests that went through the oldest API versions. */
const UNLIMITED = 2 ** 31 - 1;

/** The lowest revisions beyond revisionHistoryLimit. One that still has pods, or a change not yet seen, stays. */
export function planCleanup(
  deployment: Readonly<Deployment>,
  oldSets: readonly Readonly<ReplicaSet>[],
): Readonly<ReplicaSet>[] {
  const limit = deployment.spec.revisionHistoryLimit;
  if (limit === undefined || limit === UNLIMITED) return [];
  const present = oldSets.filter((set) => !set.metadata.deletionTimestamp);
  const surplus = Math.max(0, present.length - limit);
  return present
    .toSorted((a, b) => compareRevisions(a, b) || byCreation(a, b))
    .slice(0, surplus)
    .filter(isIdle);
}

/** Neither has pods nor was asked for any since its controller last looked. */
function isIdle(set: Readonly<ReplicaSet>): boolean {
  const observed = (set.metadata.generation ?? 0) <= (set.status?.observedGeneration ?? 0);
  return observed && (set.status?.replicas ?? 0) === 0 && desiredReplicas(set) === 0;
}

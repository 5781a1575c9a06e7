// Computes a Deployment's status from its ReplicaSets.
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from "@skiff/api/types.ts";
import type { Conditions, NewCondition } from "./deployment-conditions.ts";
import {
  conditionOf,
  hasProgressDeadline,
  replaceCondition,
  untilDeadlineMs,
  withCondition,
  withoutCondition,
} from "./deployment-conditions.ts";
import { desiredReplicas, maxUnavailable, sumStatus } from "./replica-counts.ts";

/** Of one Deployment, in any order. */
type Sets = readonly Readonly<ReplicaSet>[];

/** Counts and the Available condition; used while paused, scaling or being deleted. */
export function computeStatus(
  deployment: Readonly<Deployment>,
  newSet: Readonly<ReplicaSet> | undefined,
  allSets: Sets,
  nowMs: number,
): DeploymentStatus {
  const available = sumStatus(allSets, "availableReplicas");
  const replicas = sumStatus(allSets, "replicas");
  const { generation } = deployment.metadata;
  const { collisionCount } = deployment.status ?? {};
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    replicas,
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sumStatus(allSets, "readyReplicas"),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, replicas - available),
    terminatingReplicas: sumStatus(allSets, "terminatingReplicas"),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    conditions: withCondition(deployment.status?.conditions ?? [], availability(deployment, available), nowMs),
  };
}

/** Available means as many pods as maxUnavailable leaves, not all of them. */
function availability(deployment: Readonly<Deployment>, available: number): NewCondition {
  return available >= desiredReplicas(deployment) - maxUnavailable(deployment)
    ? {
        type: "Available",
        status: "True",
        reason: "MinimumReplicasAvailable",
        message: "Deployment has minimum availability.",
      }
    : {
        type: "Available",
        status: "False",
        reason: "MinimumReplicasUnavailable",
        message: "Deployment does not have minimum availability.",
      };
}

/** The status of a rollout: computeStatus with the Progressing and ReplicaFailure conditions. */
export function computeRolloutStatus(
  deployment: Readonly<Deployment>,
  newSet: Readonly<ReplicaSet> | undefined,
  allSets: Sets,
  nowMs: number,
): DeploymentStatus {
  const status = computeStatus(deployment, newSet, allSets, nowMs);
  const progressing = progressConditions(deployment, newSet, status, nowMs);
  return { ...status, conditions: failureConditions(progressing, newSet, allSets, nowMs) };
}

function progressConditions(
  deployment: Readonly<Deployment>,
  newSet: Readonly<ReplicaSet> | undefined,
  status: DeploymentStatus,
  nowMs: number,
): DeploymentCondition[] {
  const conditions = status.conditions ?? [];
  if (!hasProgressDeadline(deployment)) return withoutCondition(conditions, "Progressing");
  const current = conditionOf(deployment.status?.conditions, "Progressing");
  // A finished rollout stays finished while pods come and go: a lost pod is no lack of progress.
  if (status.replicas === status.updatedReplicas && current?.reason === "NewReplicaSetAvailable")
    return [...conditions];
  const subject = newSet ? `ReplicaSet "${newSet.metadata.name}"` : `Deployment "${deployment.metadata.name}"`;
  const progress = (value: "True" | "False", reason: string, what: string): NewCondition => ({
    type: "Progressing",
    status: value,
    reason,
    message: `${subject} ${what}`,
  });
  if (isComplete(deployment, status)) {
    return withCondition(conditions, progress("True", "NewReplicaSetAvailable", "has successfully progressed."), nowMs);
  }
  if (hasProgressed(deployment.status, status)) {
    return replaceCondition(conditions, progress("True", "ReplicaSetUpdated", "is progressing."), nowMs);
  }
  if (current && hasTimedOut(deployment, current, nowMs)) {
    return withCondition(
      conditions,
      progress("False", "ProgressDeadlineExceeded", "has timed out progressing."),
      nowMs,
    );
  }
  return [...conditions];
}

/** All desired pods are of the newest template and available, and no others are left. */
export function isComplete(deployment: Readonly<Deployment>, status: Readonly<DeploymentStatus>): boolean {
  const wanted = desiredReplicas(deployment);
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  );
}

/** Upstream's DeploymentProgressing: more of the new, less of the old, more ready or more available. */
function hasProgressed(before: DeploymentStatus | undefined, after: DeploymentStatus): boolean {
  const updated = (status?: DeploymentStatus) => status?.updatedReplicas ?? 0;
  const old = (status?: DeploymentStatus) => (status?.replicas ?? 0) - updated(status);
  return (
    updated(after) > updated(before) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

/** Upstream's DeploymentTimedOut. The clock runs from the condition's last update, that is from the last progress. */
function hasTimedOut(deployment: Readonly<Deployment>, current: DeploymentCondition, nowMs: number): boolean {
  if (current.reason === "NewReplicaSetAvailable") return false;
  if (current.reason === "ProgressDeadlineExceeded") return true;
  return untilDeadlineMs(deployment, current, nowMs) < 0;
}

// A failure of the newest ReplicaSet matters more than one of an older.
function failureConditions(
  conditions: Conditions,
  newSet: Readonly<ReplicaSet> | undefined,
  allSets: Sets,
  nowMs: number,
): DeploymentCondition[] {
  const ordered = newSet ? [newSet, ...allSets] : allSets;
  const failure = ordered
    .flatMap((set) => set.status?.conditions ?? [])
    .find((condition) => condition.type === "ReplicaFailure");
  if (!failure) return withoutCondition(conditions, "ReplicaFailure");
  const { status, reason = "", message = "" } = failure;
  const next = { type: "ReplicaFailure", status: status as NewCondition["status"], reason, message } as const;
  return withCondition(conditions, next, nowMs);
}

/** When to look again at a rollout that neither progresses nor finishes; undefined when there is no need. */
export function recheckInMs(
  deployment: Readonly<Deployment>,
  status: DeploymentStatus,
  nowMs: number,
): number | undefined {
  const current = conditionOf(status.conditions, "Progressing");
  if (!current || !hasProgressDeadline(deployment) || deployment.spec.paused) return undefined;
  if (isComplete(deployment, status) || current.reason === "ProgressDeadlineExceeded") return undefined;
  if (current.reason === "NewReplicaSetAvailable") return undefined;
  // Times have whole seconds, so a second more makes sure that the deadline has passed.
  return Math.max(0, untilDeadlineMs(deployment, current, nowMs)) + 1000;
}

/** Whether a write would change nothing; absent counts are zero, and the order of conditions does not matter. */
export function isSameStatus(current: DeploymentStatus | undefined, next: DeploymentStatus): boolean {
  if (!current) return false;
  const fields = [
    "observedGeneration",
    "replicas",
    "updatedReplicas",
    "readyReplicas",
    "availableReplicas",
    "unavailableReplicas",
    "terminatingReplicas",
    "collisionCount",
  ] as const;
  const sameCounts = fields.every((field) => (current[field] ?? 0) === (next[field] ?? 0));
  return sameCounts && conditionsText(current.conditions) === conditionsText(next.conditions);
}

function conditionsText(conditions: Conditions | undefined): string {
  const keys = (conditions ?? []).map((c) =>
    JSON.stringify([c.type, c.status, c.reason, c.message, c.lastTransitionTime, c.lastUpdateTime]),
  );
  return keys.sort().join();
}

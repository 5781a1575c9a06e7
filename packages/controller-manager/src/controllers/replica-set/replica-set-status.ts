// Computes a ReplicaSet's status from its pods.
import { findCondition, isPodReady } from "@skiff/api/conditions.ts";
import type { Pod, ReplicaSetCondition, ReplicaSetStatus } from "@skiff/api/types.ts";
import { formatTime, parseTime } from "@skiff/component-base/clock.ts";
import type { Replicated } from "./replicated-kind.ts";

/** What a pass found; `active` are the pods that count. */
export interface ReplicaSetObservation {
  readonly active: readonly Pod[];
  readonly terminating: number;
  /** The failure of this pass, and whether pods were to be created or deleted. */
  readonly failure: { readonly reason: "FailedCreate" | "FailedDelete"; readonly message: string } | undefined;
}

/** The status that the pods call for. Conditions keep their times where nothing changed. */
export function computeReplicaSetStatus(
  replicaSet: Readonly<Replicated>,
  { active, terminating, failure }: ReplicaSetObservation,
  nowMs: number,
): ReplicaSetStatus {
  const minReady = replicaSet.spec?.minReadySeconds ?? 0;
  const templateLabels = Object.entries(replicaSet.spec?.template?.metadata?.labels ?? {});
  const fullyLabeled = active.filter((pod) =>
    templateLabels.every(([key, value]) => pod.metadata.labels?.[key] === value),
  );
  const conditions = replicaFailureConditions(replicaSet.status?.conditions, failure, nowMs);
  return {
    replicas: active.length,
    fullyLabeledReplicas: fullyLabeled.length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: active.filter((pod) => isPodAvailable(pod, minReady, nowMs)).length,
    terminatingReplicas: terminating,
    ...(replicaSet.metadata.generation === undefined ? {} : { observedGeneration: replicaSet.metadata.generation }),
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

function replicaFailureConditions(
  current: readonly ReplicaSetCondition[] | undefined,
  failure: ReplicaSetObservation["failure"],
  nowMs: number,
): ReplicaSetCondition[] {
  const others = (current ?? []).filter((condition) => condition.type !== "ReplicaFailure");
  if (!failure) return others;
  // Upstream leaves a standing failure as it is, so that a varying message does not cause endless writes.
  const standing = findCondition(current as ReplicaSetCondition[] | undefined, "ReplicaFailure");
  if (standing) return [...others, standing];
  return [...others, { type: "ReplicaFailure", status: "True", lastTransitionTime: formatTime(nowMs), ...failure }];
}

/** Ready for at least `minReadySeconds`. */
function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  if (!isPodReady(pod)) return false;
  return minReadySeconds === 0 || availableInMs(pod, minReadySeconds, nowMs) <= 0;
}

/** Milliseconds until a ready pod counts as available; infinite while its ready time is unknown. */
function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number {
  const since = findCondition(pod.status?.conditions, "Ready")?.lastTransitionTime;
  return since ? parseTime(since) + minReadySeconds * 1000 - nowMs : Number.POSITIVE_INFINITY;
}

/** When the next ready pod becomes available, in milliseconds from now; undefined when none is waiting. No event tells of it. */
export function nextAvailabilityMs(pods: readonly Pod[], minReadySeconds: number, nowMs: number): number | undefined {
  const waits = pods
    .filter((pod) => isPodReady(pod) && !isPodAvailable(pod, minReadySeconds, nowMs))
    .map((pod) => availableInMs(pod, minReadySeconds, nowMs))
    .filter(Number.isFinite);
  return waits.length > 0 ? Math.min(...waits) : undefined;
}

/** Whether writing `next` would change nothing. */
export function isSameReplicaSetStatus(current: ReplicaSetStatus | undefined, next: ReplicaSetStatus): boolean {
  if (!current) return false;
  const fields = [
    "replicas",
    "fullyLabeledReplicas",
    "readyReplicas",
    "availableReplicas",
    "terminatingReplicas",
    "observedGeneration",
  ] as const;
  const sameCounts = fields.every((field) => (current[field] ?? 0) === (next[field] ?? 0));
  return sameCounts && JSON.stringify(current.conditions ?? []) === JSON.stringify(next.conditions ?? []);
}

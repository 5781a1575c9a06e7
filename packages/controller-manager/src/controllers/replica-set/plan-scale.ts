// Decides which pods a ReplicaSet creates or deletes, and which of its pods are worth least.
import { findCondition, isPodReady } from "@skiff/api/conditions.ts";
import type { Pod } from "@skiff/api/types.ts";
import { parseTime } from "@skiff/component-base/clock.ts";

/** Upstream's BurstReplicas: creations or deletions in one pass. The rest follows when those have been seen. */
export const BURST_REPLICAS = 500;

/** Set by people or autoscalers: the pods of lowest cost go first. */
const POD_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

/** One of the two is empty. */
export interface ScalePlan {
  readonly create: number;
  readonly remove: readonly Pod[];
}

/** What to create or delete so that `replicas` remain; `related` are the active pods of sibling ReplicaSets too. */
export function planScale(replicas: number, pods: readonly Pod[], related: readonly Pod[], nowMs: number): ScalePlan {
  const shortage = replicas - pods.length;
  if (shortage >= 0) return { create: Math.min(shortage, BURST_REPLICAS), remove: [] };
  const count = Math.min(-shortage, BURST_REPLICAS);
  if (count >= pods.length) return { create: 0, remove: pods };
  return { create: 0, remove: rankForDeletion(pods, related, nowMs).slice(0, count) };
}

/** The pods in the order in which they should go; `related` are counted per node, so that crowded nodes are thinned first. */
export function rankForDeletion(pods: readonly Pod[], related: readonly Pod[], nowMs: number): Pod[] {
  const perNode = new Map<string, number>();
  for (const pod of related) {
    const node = pod.spec?.nodeName;
    if (node) perNode.set(node, (perNode.get(node) ?? 0) + 1);
  }
  const ranked = pods.map((pod) => deletionRank(pod, perNode));
  return ranked.sort((a, b) => compareRanks(a, b, nowMs)).map((rank) => rank.pod);
}

/** Everything by which two pods are compared, worked out once per pod. */
interface DeletionRank {
  readonly pod: Pod;
  readonly assigned: number;
  readonly phase: number;
  readonly ready: boolean;
  readonly cost: number;
  readonly colocated: number;
  /** Milliseconds since the epoch; NaN when unknown. */
  readonly readySinceMs: number;
  readonly restarts: number;
  readonly createdMs: number;
}

const PHASE_ORDER: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

function deletionRank(pod: Pod, perNode: ReadonlyMap<string, number>): DeletionRank {
  const node = pod.spec?.nodeName;
  return {
    pod,
    assigned: node ? 1 : 0,
    phase: PHASE_ORDER[pod.status?.phase ?? ""] ?? 0,
    ready: isPodReady(pod),
    cost: deletionCost(pod),
    colocated: node ? (perNode.get(node) ?? 0) : 0,
    readySinceMs: isPodReady(pod)
      ? timeOf(findCondition(pod.status?.conditions, "Ready")?.lastTransitionTime)
      : Number.NaN,
    restarts: maxRestarts(pod),
    createdMs: timeOf(pod.metadata.creationTimestamp),
  };
}

// Upstream's ActivePodsWithRanks: unassigned, pending, not ready, cheap, crowded, lately ready, often restarted, lately created.
function compareRanks(a: DeletionRank, b: DeletionRank, nowMs: number): number {
  return (
    a.assigned - b.assigned ||
    a.phase - b.phase ||
    Number(a.ready) - Number(b.ready) ||
    a.cost - b.cost ||
    b.colocated - a.colocated ||
    compareAges(a, b, a.readySinceMs, b.readySinceMs, nowMs) ||
    b.restarts - a.restarts ||
    compareAges(a, b, a.createdMs, b.createdMs, nowMs)
  );
}

// Upstream's LogarithmicScaleDown: ages count by their power of two, so that near-equal pods go in no order that an observer could predict (by UID).
function compareAges(a: DeletionRank, b: DeletionRank, aMs: number, bMs: number, nowMs: number): number {
  if (aMs === bMs || (Number.isNaN(aMs) && Number.isNaN(bMs))) return 0;
  if (Number.isNaN(aMs)) return -1;
  if (Number.isNaN(bMs)) return 1;
  const difference = ageBucket(aMs, nowMs) - ageBucket(bMs, nowMs);
  return difference || (a.pod.metadata.uid < b.pod.metadata.uid ? -1 : 1);
}

function ageBucket(sinceMs: number, nowMs: number): number {
  const age = nowMs - sinceMs;
  return age <= 0 ? -1 : Math.floor(Math.log2(age));
}

/** The annotation's whole number; 0 when absent or malformed. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.[POD_DELETION_COST];
  return text && /^(0|-?[1-9]\d{0,9})$/.test(text) ? Number(text) : 0;
}

function maxRestarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount));
}

function timeOf(text: string | undefined): number {
  return text ? parseTime(text) : Number.NaN;
}

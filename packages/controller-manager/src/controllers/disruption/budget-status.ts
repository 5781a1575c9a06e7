// What a PodDisruptionBudget's status should say, from its pods and from how many of them there should be.
import { findCondition, isPodReady } from "@skiff/api/conditions.ts";
import type { Pod, PodDisruptionBudget } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";

/** disruptionsAllowed is what the eviction API counts down; the rest explains it. */
export type BudgetStatus = NonNullable<PodDisruptionBudget["status"]>;

/** How many pods there should be, and how many of those must be healthy. */
export interface PodCounts {
  readonly expected: number;
  readonly desiredHealthy: number;
}

/** What to write, and when to look again. */
export interface BudgetPlan {
  readonly status: BudgetStatus;
  /** When an eviction that nothing came of is to be forgotten, in milliseconds from now. */
  readonly recheckAfterMs?: number;
}

/** Upstream's DeletionTimeout: an evicted pod that is not deleted by then was not evicted after all. */
export const EVICTION_TIMEOUT_MS = 120_000;

const ALLOWED = "DisruptionAllowed";

/** The status after a count that worked. */
export function planBudgetStatus(
  budget: Readonly<PodDisruptionBudget>,
  pods: readonly Readonly<Pod>[],
  { expected, desiredHealthy }: PodCounts,
  nowMs: number,
): BudgetPlan {
  const { disruptedPods, recheckAfterMs } = openEvictions(budget, pods, nowMs);
  const currentHealthy = pods.filter((pod) => isHealthy(pod, disruptedPods)).length;
  const disruptionsAllowed = expected > 0 ? Math.max(0, currentHealthy - desiredHealthy) : 0;
  const isAllowed = disruptionsAllowed > 0;
  const status = {
    observedGeneration: budget.metadata.generation ?? 0,
    disruptionsAllowed,
    currentHealthy,
    desiredHealthy,
    expectedPods: expected,
    ...(Object.keys(disruptedPods).length > 0 ? { disruptedPods } : {}),
    conditions: withCondition(budget, isAllowed, isAllowed ? "SufficientPods" : "InsufficientPods", "", nowMs),
  };
  return recheckAfterMs === undefined ? { status } : { status, recheckAfterMs };
}

/** Fails safe: while nobody knows how many pods there should be, none may be disrupted. */
export function failedBudgetStatus(budget: Readonly<PodDisruptionBudget>, why: string, nowMs: number): BudgetStatus {
  const { currentHealthy = 0, desiredHealthy = 0, expectedPods = 0, ...rest } = budget.status ?? {};
  const conditions = withCondition(budget, false, "SyncFailed", why, nowMs);
  return { ...rest, currentHealthy, desiredHealthy, expectedPods, disruptionsAllowed: 0, conditions };
}

/** Evictions that the apiserver let pass and whose pods still wait for their deletion. */
function openEvictions(
  { status }: Readonly<PodDisruptionBudget>,
  pods: readonly Readonly<Pod>[],
  nowMs: number,
): { disruptedPods: Record<string, string>; recheckAfterMs?: number } {
  const byName = new Map(pods.map((pod) => [pod.metadata.name, pod]));
  const open = Object.entries(status?.disruptedPods ?? {}).filter(([name, since]) => {
    const pod = byName.get(name);
    return pod && !pod.metadata.deletionTimestamp && timeLeft(since, nowMs) > 0;
  });
  const disruptedPods = Object.fromEntries(open);
  if (open.length === 0) return { disruptedPods };
  return { disruptedPods, recheckAfterMs: Math.min(...open.map(([, since]) => timeLeft(since, nowMs))) };
}

function timeLeft(since: string, nowMs: number): number {
  return Date.parse(since) + EVICTION_TIMEOUT_MS - nowMs;
}

function isHealthy(pod: Readonly<Pod>, disruptedPods: Readonly<Record<string, string>>): boolean {
  return !pod.metadata.deletionTimestamp && !(pod.metadata.name in disruptedPods) && isPodReady(pod);
}

function withCondition(
  { metadata, status }: Readonly<PodDisruptionBudget>,
  isAllowed: boolean,
  reason: string,
  message: string,
  nowMs: number,
): NonNullable<BudgetStatus["conditions"]> {
  const conditions = status?.conditions ?? [];
  const before = findCondition(conditions, ALLOWED);
  const is = isAllowed ? "True" : "False";
  const lastTransitionTime = before?.status === is ? before.lastTransitionTime : formatTime(nowMs);
  const observedGeneration = metadata.generation ?? 0;
  const condition = { type: ALLOWED, status: is, observedGeneration, lastTransitionTime, reason, message };
  return before ? conditions.map((known) => (known === before ? condition : known)) : [...conditions, condition];
}

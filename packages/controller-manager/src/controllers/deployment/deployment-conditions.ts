// The conditions of a Deployment: which there are, and how a new one replaces an old one.
import type { Deployment, DeploymentCondition } from "@skiff/api/types.ts";
import { formatTime, parseTime } from "@skiff/component-base/clock.ts";

/** In no particular order; each type at most once. */
export type Conditions = readonly DeploymentCondition[];

/** Upstream's "no deadline": math.MaxInt32, since 0 is a deadline too. */
const NO_DEADLINE = 2 ** 31 - 1;

/** Without a deadline a rollout has no Progressing condition. */
export function hasProgressDeadline(deployment: Readonly<Deployment>): boolean {
  const seconds = deployment.spec.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== NO_DEADLINE;
}

/** Undefined where the Deployment has none of that type. */
export function conditionOf(conditions: Conditions | undefined, type: string): DeploymentCondition | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** A condition without its times, which follow from what it replaces. */
export interface NewCondition {
  readonly type: "Available" | "Progressing" | "ReplicaFailure";
  readonly status: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly message: string;
}

/** The list with `next` in it. One of equal status and reason stays as it is; the transition time follows the status. */
export function withCondition(conditions: Conditions, next: NewCondition, nowMs: number): DeploymentCondition[] {
  const current = conditionOf(conditions, next.type);
  if (current && current.status === next.status && current.reason === next.reason) return [...conditions];
  return replaceCondition(conditions, next, nowMs);
}

/** As withCondition, but refreshes the update time even when status and reason are the same. */
export function replaceCondition(conditions: Conditions, next: NewCondition, nowMs: number): DeploymentCondition[] {
  const current = conditionOf(conditions, next.type);
  const now = formatTime(nowMs);
  const lastTransitionTime = current?.status === next.status ? current.lastTransitionTime : now;
  return [...withoutCondition(conditions, next.type), { ...next, lastUpdateTime: now, lastTransitionTime }];
}

/** The others as they are. */
export function withoutCondition(conditions: Conditions, type: string): DeploymentCondition[] {
  return conditions.filter((condition) => condition.type !== type);
}

/** The Progressing condition of pausing and resuming; undefined when nothing changes. */
export function pauseCondition(deployment: Readonly<Deployment>): NewCondition | undefined {
  if (!hasProgressDeadline(deployment)) return undefined;
  const current = conditionOf(deployment.status?.conditions, "Progressing");
  // A rollout that ran out of time says so until it progresses.
  if (current?.reason === "ProgressDeadlineExceeded") return undefined;
  const isMarked = current?.reason === "DeploymentPaused";
  const isPaused = deployment.spec.paused === true;
  if (isPaused === isMarked) return undefined;
  return isPaused
    ? { type: "Progressing", status: "Unknown", reason: "DeploymentPaused", message: "Deployment is paused" }
    : { type: "Progressing", status: "Unknown", reason: "DeploymentResumed", message: "Deployment is resumed" };
}

/** Milliseconds until the rollout runs out of time; negative once it has. */
export function untilDeadlineMs(
  deployment: Readonly<Deployment>,
  progressing: DeploymentCondition,
  nowMs: number,
): number {
  const since = parseTime(progressing.lastUpdateTime ?? "");
  return (Number.isNaN(since) ? nowMs : since) + (deployment.spec.progressDeadlineSeconds ?? 0) * 1000 - nowMs;
}

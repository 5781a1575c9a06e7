// The taints that a node's conditions call for: NoSchedule at once, NoExecute when eviction is allowed.
import { findCondition } from "@skiff/api/conditions.ts";
import type { Node, Taint } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";

/** Pods tolerate these two for 300 seconds unless they say otherwise, which admission writes into them. */
const NOT_READY = "node.kubernetes.io/not-ready";
const UNREACHABLE = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";

/** Condition, the status that is bad, and the taint for it. */
const CONDITION_TAINTS = [
  ["Ready", "False", NOT_READY],
  ["Ready", "Unknown", UNREACHABLE],
  ["MemoryPressure", "True", "node.kubernetes.io/memory-pressure"],
  ["DiskPressure", "True", "node.kubernetes.io/disk-pressure"],
  ["PIDPressure", "True", "node.kubernetes.io/pid-pressure"],
  ["NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"],
] as const;

const OUR_NO_SCHEDULE: ReadonlySet<string> = new Set([UNSCHEDULABLE, ...CONDITION_TAINTS.map(([, , key]) => key)]);
const OUR_NO_EXECUTE: ReadonlySet<string> = new Set([NOT_READY, UNREACHABLE]);

/** "held": only nodes that evict already go on doing so; "released": this node may start; "off": nobody evicts. */
export type EvictionMode = "held" | "released" | "off";

/** The taint manager then deletes the pods; this only says which taints there are. */
export interface TaintPlan {
  /** All taints that the node should have; undefined when it has them. */
  readonly taints: readonly Taint[] | undefined;
  /** The node should evict, and waits for its zone's rate limit. */
  readonly waitsForEviction: boolean;
}

/** Taints of others, and the times of ours that stay, are kept. */
export function planTaints(node: Readonly<Node>, mode: EvictionMode, nowMs: number): TaintPlan {
  const current = node.spec?.taints ?? [];
  const noExecute = noExecuteKey(node);
  const evicts = current.some((taint) => taint.effect === "NoExecute" && OUR_NO_EXECUTE.has(taint.key));
  // A node that falls silent after it was not ready keeps evicting: one taint takes the place of the other.
  const mayEvict = mode === "released" || (mode === "held" && evicts);
  const wanted: Taint[] = noScheduleKeys(node).map((key) => ({ key, effect: "NoSchedule" }));
  if (noExecute && mayEvict) wanted.push({ key: noExecute, effect: "NoExecute" });
  const kept = current.filter((taint) => !isOurs(taint) || wanted.some((other) => isSame(taint, other)));
  const added = wanted
    .filter((taint) => !current.some((other) => isSame(taint, other)))
    // From this time pods count the seconds that they tolerate the taint.
    .map((taint) => ({ ...taint, timeAdded: formatTime(nowMs) }));
  const isUnchanged = added.length === 0 && kept.length === current.length;
  return {
    taints: isUnchanged ? undefined : [...kept, ...added],
    waitsForEviction: noExecute !== undefined && mode === "held" && !evicts,
  };
}

function noExecuteKey(node: Readonly<Node>): string | undefined {
  const status = findCondition(node.status?.conditions, "Ready")?.status;
  if (status === "False") return NOT_READY;
  return status === "Unknown" ? UNREACHABLE : undefined;
}

function noScheduleKeys(node: Readonly<Node>): string[] {
  const keys = CONDITION_TAINTS.filter(
    ([type, bad]) => findCondition(node.status?.conditions, type)?.status === bad,
  ).map(([, , key]): string => key);
  // A node that has reported nothing yet keeps the taint that admission gave it.
  if (!findCondition(node.status?.conditions, "Ready") && hasNoSchedule(node, NOT_READY)) keys.push(NOT_READY);
  return node.spec?.unschedulable ? [...keys, UNSCHEDULABLE] : keys;
}

function hasNoSchedule(node: Readonly<Node>, key: string): boolean {
  return (node.spec?.taints ?? []).some((taint) => taint.key === key && taint.effect === "NoSchedule");
}

function isOurs({ key, effect }: Taint): boolean {
  return effect === "NoSchedule" ? OUR_NO_SCHEDULE.has(key) : effect === "NoExecute" && OUR_NO_EXECUTE.has(key);
}

function isSame(a: Taint, b: Taint): boolean {
  return a.key === b.key && a.effect === b.effect;
}

// Whether a node still speaks: judged by when its heartbeat was last seen to change, on our own clock.
import { findCondition } from "@skiff/api/conditions.ts";
import type { Lease, Node, NodeCondition } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";

/** What is known of a node's heartbeat. Nodes' clocks are not trusted: only changes count. */
export interface HealthRecord {
  readonly heartbeat: string | undefined;
  readonly renewed: string | undefined;
  /** Monotonic time of the last change. */
  readonly seenMs: number;
}

/** Both clocks at one moment: the wall's for what is written, the monotonic one for what is measured. */
export interface Now {
  /** Since the Unix epoch. */
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/** The record after a look at a node and its Lease. A node never seen before gets the benefit of the doubt. */
export function observeHeartbeat(
  record: HealthRecord | undefined,
  node: Readonly<Node>,
  lease: Readonly<Lease> | undefined,
  now: Now,
): HealthRecord {
  const heartbeat = readyCondition(node)?.lastHeartbeatTime;
  const renewed = lease?.spec?.renewTime;
  if (!record) {
    // One that never reported counts from its creation.
    const ageMs = heartbeat ? 0 : Math.max(0, now.wallMs - Date.parse(node.metadata.creationTimestamp));
    return { heartbeat, renewed, seenMs: now.monotonicMs - ageMs };
  }
  // Either sign of life counts: the Lease comes every 10 s, the status only when it changes or every 5 min.
  const isNew = heartbeat !== record.heartbeat || (renewed !== undefined && renewed !== record.renewed);
  return isNew ? { heartbeat, renewed, seenMs: now.monotonicMs } : record;
}

/** Milliseconds of silence that are forgiven; the second to a node that has not reported yet. */
export interface GracePeriods {
  readonly gracePeriodMs: number;
  readonly startupGracePeriodMs: number;
}

/** Whether the node's grace is used up. */
export function isSilent(record: HealthRecord, node: Readonly<Node>, periods: GracePeriods, now: Now): boolean {
  const graceMs = readyCondition(node) ? periods.gracePeriodMs : periods.startupGracePeriodMs;
  return now.monotonicMs - record.seenMs > graceMs;
}

/** Those that a kubelet keeps up to date; NetworkUnavailable is somebody else's. */
const HEARTBEAT_CONDITIONS = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] as const;

/** The conditions of a silent node; undefined when they say so already. */
export function silentConditions(node: Readonly<Node>, now: Now): NodeCondition[] | undefined {
  const time = formatTime(now.wallMs);
  let isChanged = false;
  const conditions = [...(node.status?.conditions ?? [])];
  for (const type of HEARTBEAT_CONDITIONS) {
    const index = conditions.findIndex((condition) => condition.type === type);
    const current = conditions[index];
    if (current?.status === "Unknown") continue;
    isChanged = true;
    const next = current ? fallenSilent(current, time) : neverSpoke(type, node, time);
    if (current) conditions[index] = next;
    else conditions.push(next);
  }
  return isChanged ? conditions : undefined;
}

function fallenSilent(condition: NodeCondition, time: string): NodeCondition {
  const message = "Kubelet stopped posting node status.";
  return { ...condition, status: "Unknown", reason: "NodeStatusUnknown", message, lastTransitionTime: time };
}

function neverSpoke(type: string, node: Readonly<Node>, time: string): NodeCondition {
  return {
    type,
    status: "Unknown",
    reason: "NodeStatusNeverUpdated",
    message: "Kubelet never posted node status.",
    lastHeartbeatTime: node.metadata.creationTimestamp,
    lastTransitionTime: time,
  };
}

/** Undefined until the kubelet has reported once. */
export function readyCondition(node: Readonly<Node>): NodeCondition | undefined {
  return findCondition(node.status?.conditions, "Ready");
}

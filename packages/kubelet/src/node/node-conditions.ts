// The node's conditions from real readings, with upstream's thresholds, reasons and messages. Pure.
import type { NodeCondition } from "@skiff/api/types.ts";
import type { MachineReadings } from "./machine-info.ts";

/** Upstream's default hard eviction thresholds. */
export const MIN_MEMORY_BYTES = 100 * 1024 * 1024;
export const MIN_DISK_SHARE = 0.1;
const MIN_INODE_SHARE = 0.05;
const MIN_PID_SHARE = 0.1;

export interface ConditionInput {
  readonly readings: MachineReadings;
  /** Why the node is not ready, one reason each; empty when it is. */
  readonly problems: readonly string[];
  readonly previous: readonly NodeCondition[];
  /** RFC 3339. */
  readonly now: string;
}

export function nodeConditions({ readings, problems, previous, now }: ConditionInput): NodeCondition[] {
  const { memoryAvailableBytes, disk, pids } = readings;
  const lowDisk = disk.availableBytes < MIN_DISK_SHARE * disk.capacityBytes;
  // Some file systems count no inodes at all.
  const lowInodes = disk.inodes > 0 && disk.inodesFree < MIN_INODE_SHARE * disk.inodes;
  const conditions = [
    pressure("MemoryPressure", memoryAvailableBytes < MIN_MEMORY_BYTES, {
      yes: ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
      no: ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    }),
    pressure("DiskPressure", lowDisk || lowInodes, {
      yes: ["KubeletHasDiskPressure", "kubelet has disk pressure"],
      no: ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    }),
    pressure("PIDPressure", pids.max - pids.used < MIN_PID_SHARE * pids.max, {
      yes: ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
      no: ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    }),
    ready(problems),
  ];
  const own = conditions.map((condition) => dated(condition, previous, now));
  return [...previous.filter(({ type }) => !own.some((condition) => condition.type === type)), ...own];
}

type Undated = Pick<NodeCondition, "type" | "status" | "reason" | "message">;
type Words = readonly [reason: string, message: string];

function pressure(type: string, under: boolean, words: { yes: Words; no: Words }): Undated {
  const [reason, message] = under ? words.yes : words.no;
  return { type, status: under ? "True" : "False", reason, message };
}

function ready(problems: readonly string[]): Undated {
  if (problems.length === 0) {
    return { type: "Ready", status: "True", reason: "KubeletReady", message: "kubelet is posting ready status" };
  }
  const message = problems.length === 1 ? (problems[0] ?? "") : `[${problems.join(", ")}]`;
  return { type: "Ready", status: "False", reason: "KubeletNotReady", message };
}

function dated(condition: Undated, previous: readonly NodeCondition[], now: string): NodeCondition {
  const before = previous.find(({ type }) => type === condition.type);
  const since = before?.status === condition.status ? before.lastTransitionTime : now;
  return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
}

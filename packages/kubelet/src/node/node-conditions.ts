// The node's conditions from what it is short of and what keeps it from running pods, in upstream's words. Pure.
import type { NodeCondition } from "@skiff/api/types.ts";

/** What the conditions are worked out from. */
export interface ConditionInput {
  /** What the eviction manager finds the node short of. */
  readonly pressures: readonly string[];
  /** Why the node is not ready, one reason each; empty when it is. */
  readonly problems: readonly string[];
  readonly previous: readonly NodeCondition[];
  /** RFC 3339. */
  readonly now: string;
}

/**
 * The kubelet's four conditions with their times; conditions of other types, which somebody else keeps, stay as they
 * are.
 */
export function nodeConditions({ pressures, problems, previous, now }: ConditionInput): NodeCondition[] {
  const conditions = [
    pressure("MemoryPressure", pressures, {
      yes: ["KubeletHasInsufficientMemory", "kubelet has insufficient memory available"],
      no: ["KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    }),
    pressure("DiskPressure", pressures, {
      yes: ["KubeletHasDiskPressure", "kubelet has disk pressure"],
      no: ["KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    }),
    pressure("PIDPressure", pressures, {
      yes: ["KubeletHasInsufficientPID", "kubelet has insufficient PID available"],
      no: ["KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    }),
    ready(problems),
  ];
  const own = conditions.map((condition) => dated(condition, previous, now));
  return [...previous.filter(({ type }) => !own.some((condition) => condition.type === type)), ...own];
}

type Undated = Pick<NodeCondition, "type" | "status" | "reason" | "message">;
/** What `kubectl describe node` shows; monitoring matches on these very words. */
type Words = readonly [reason: string, message: string];

function pressure(type: string, pressures: readonly string[], words: { yes: Words; no: Words }): Undated {
  const under = pressures.includes(type);
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

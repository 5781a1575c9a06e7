// Questions that every program asks of conditions and phases.
import type { Node, Pod } from "../generated/types.ts";

/** The condition of that type; a list holds at most one of each, as it merges by type. */
export function findCondition<C extends { type: string }>(
  conditions: readonly C[] | undefined,
  type: string,
): C | undefined {
  return conditions?.find((condition) => condition.type === type);
}

/** False too where the condition is missing or Unknown. */
export function isConditionTrue(
  conditions: readonly { type: string; status: string }[] | undefined,
  type: string,
): boolean {
  return findCondition(conditions, type)?.status === "True";
}

/** Its readiness probes and gates are met: only such a pod gets a Service's traffic. */
export function isPodReady(pod: Readonly<Pod>): boolean {
  return isConditionTrue(pod.status?.conditions, "Ready");
}

/** Its kubelet reports, and says that it can run pods. */
export function isNodeReady(node: Readonly<Node>): boolean {
  return isConditionTrue(node.status?.conditions, "Ready");
}

/** Counts towards a controller's replicas: neither finished nor being deleted. */
export function isPodActive(pod: Readonly<Pod>): boolean {
  return !isPodTerminal(pod) && !pod.metadata.deletionTimestamp;
}

/** Its containers have ended for good. */
export function isPodTerminal(pod: Readonly<Pod>): boolean {
  const phase = pod.status?.phase;
  return phase === "Succeeded" || phase === "Failed";
}

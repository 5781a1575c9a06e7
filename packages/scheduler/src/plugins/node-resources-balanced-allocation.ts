// NodeResourcesBalancedAllocation: nodes whose CPU and memory would be used to a like degree are better.
import type { NodeInfo } from "../cache/node-info.ts";
import type { PreScorePlugin, ScorePlugin } from "../framework/plugin.ts";
import { MAX_NODE_SCORE } from "../framework/plugin.ts";
import type { PodInfo } from "../framework/pod-info.ts";

/** A node with all of its memory taken and half of its CPU free can place nothing more: even use leaves more room. */
export const nodeResourcesBalancedAllocation = {
  name: "NodeResourcesBalancedAllocation",
  preScore(_state, { requests }) {
    // A pod that asks for neither changes no node's balance.
    return requests.cpu || requests.memory ? "score" : "skip";
  },
  score(pod, node) {
    const shares = [usedShare(pod, node, "cpu"), usedShare(pod, node, "memory")].filter((share) => share !== undefined);
    return Math.floor((1 - deviation(shares)) * MAX_NODE_SCORE);
  },
} satisfies PreScorePlugin & ScorePlugin;

function usedShare(pod: PodInfo, node: NodeInfo, resource: "cpu" | "memory"): number | undefined {
  const capacity = node.allocatable[resource];
  if (!capacity) return undefined;
  return Math.min(1, ((node.requested[resource] ?? 0) + (pod.requests[resource] ?? 0)) / capacity);
}

/** The standard deviation; 0.5 at most for shares of 0 to 1, so the score is never below 50. */
function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / values.length);
}

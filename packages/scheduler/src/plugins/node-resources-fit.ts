// NodeResourcesFit: a node must have free what the pod asks for, and emptier nodes are better (LeastAllocated).
import { resourceAmounts } from "@skiff/api/scheduling/resources.ts";
import type { NodeInfo } from "../cache/node-info.ts";
import type { ClusterEvent } from "../framework/cluster-event.ts";
import type { FilterPlugin, ScorePlugin } from "../framework/plugin.ts";
import { FITS, MAX_NODE_SCORE, refuse, refuseForGood } from "../framework/plugin.ts";
import type { PodInfo } from "../framework/pod-info.ts";

export const nodeResourcesFit = {
  name: "NodeResourcesFit",
  hints: [
    { event: "Node/Add", isWorthATry: fitsEmptyNode },
    { event: "Node/UpdateAllocatable", isWorthATry: fitsEmptyNode },
    { event: "AssignedPod/Delete", isWorthATry: freesWhatIsWanted },
    { event: "AssignedPod/Update", isWorthATry: freesWhatIsWanted },
    { event: "Pod/Update" },
  ],
  filter(pod, node) {
    const lacking = lackingResources(pod, node);
    if (lacking.length === 0) return FITS;
    const reasons = lacking.map((resource) => (resource === "pods" ? "Too many pods" : `Insufficient ${resource}`));
    const isTooLarge = lacking.some((name) => (pod.requests[name] ?? 0) > (node.allocatable[name] ?? 0));
    return isTooLarge ? refuseForGood(...reasons) : refuse(...reasons);
  },
  // Not `requests`: pods that ask for nothing would all be drawn to one node that looks empty.
  score({ nonZero }, node) {
    const cpu = freeShare(node.allocatable.cpu, node.nonZero.cpu + nonZero.cpu);
    const memory = freeShare(node.allocatable.memory, node.nonZero.memory + nonZero.memory);
    const known = [cpu, memory].filter((share) => share !== undefined);
    return known.length > 0 ? Math.floor(known.reduce((sum, share) => sum + share, 0) / known.length) : 0;
  },
} satisfies FilterPlugin & ScorePlugin;

/** The resources of which the node has too little left, pods first; all of them, as the message counts each. */
function lackingResources(pod: PodInfo, node: NodeInfo): string[] {
  const lacking: string[] = [];
  if (node.pods.size + 1 > (node.allocatable.pods ?? 0)) lacking.push("pods");
  for (const name in pod.requests) {
    const wanted = pod.requests[name] ?? 0;
    if (wanted > 0 && wanted > (node.allocatable[name] ?? 0) - (node.requested[name] ?? 0)) lacking.push(name);
  }
  return lacking;
}

/** 0 to 100; undefined when the node has nothing of the resource at all. */
function freeShare(capacity: number | undefined, requested: number): number | undefined {
  if (!capacity) return undefined;
  return requested > capacity ? 0 : Math.floor(((capacity - requested) * MAX_NODE_SCORE) / capacity);
}

/** Other pods may go, so it is the node's whole size that decides whether the event is worth a try. */
function fitsEmptyNode({ requests }: PodInfo, { node }: ClusterEvent): boolean {
  const allocatable = resourceAmounts(node?.status?.allocatable);
  return Object.entries(requests).every(([name, wanted]) => wanted <= (allocatable[name] ?? 0));
}

/** Whether a pod that goes (or shrinks) makes room of a kind that is wanted; a place among the pods is always wanted. */
function freesWhatIsWanted({ requests }: PodInfo, { name, pod }: ClusterEvent): boolean {
  if (name === "AssignedPod/Delete") return true;
  return Object.keys(requests).some((resource) => (pod?.requests[resource] ?? 0) > 0);
}

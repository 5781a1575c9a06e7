// What happens in the cluster that may let a pod fit which did not fit before.
import type { Node } from "@skiff/api/types.ts";
import type { PodInfo } from "./pod-info.ts";

/** Upstream's framework.ClusterEvent as one word: the resource and what was done to it. */
export type ClusterEventName =
  | "Node/Add"
  | "Node/UpdateAllocatable"
  | "Node/UpdateLabels"
  | "Node/UpdateTaints"
  | "AssignedPod/Add"
  | "AssignedPod/Update"
  | "AssignedPod/Delete"
  | "Pod/Update";

export interface ClusterEvent {
  readonly name: ClusterEventName;
  /** Of Node events: the node as it is now. */
  readonly node?: Readonly<Node>;
  /** Of AssignedPod events: the pod as it is, or was; `requests` as they were before an update. */
  readonly pod?: PodInfo;
}

/** The events that an update of a node amounts to; heartbeats amount to none. */
export function nodeUpdateEvents(node: Readonly<Node>, old: Readonly<Node>): ClusterEvent[] {
  const events: ClusterEvent[] = [];
  const changed = (a: unknown, b: unknown) => JSON.stringify(a) !== JSON.stringify(b);
  if (changed(node.status?.allocatable, old.status?.allocatable)) events.push({ name: "Node/UpdateAllocatable", node });
  if (changed(node.metadata.labels, old.metadata.labels)) events.push({ name: "Node/UpdateLabels", node });
  // `unschedulable` is a taint in all but name.
  if (node.spec.unschedulable !== old.spec.unschedulable || changed(node.spec.taints, old.spec.taints)) {
    events.push({ name: "Node/UpdateTaints", node });
  }
  return events;
}

// From what informers tell to the cache and the queue.
import { objectKey } from "@skiff/api/object.ts";
import type { Node, Pod } from "@skiff/api/types.ts";
import type { Informer, InformerHandler } from "@skiff/client/informer.ts";
import type { SchedulerCache } from "./cache/scheduler-cache.ts";
import { nodeUpdateEvents } from "./framework/cluster-event.ts";
import { podInfoOf } from "./framework/pod-info.ts";
import type { SchedulingQueue } from "./queue/scheduling-queue.ts";

export const SCHEDULER_NAME = "default-scheduler";

/** Finished pods hold nothing on their node, so they need not even be watched. */
export const UNFINISHED_PODS = "status.phase!=Succeeded,status.phase!=Failed";

export interface EventTargets {
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
}

/** Adds the handlers. Informers call them one event at a time, so the cache and the queue are never seen half changed. */
export function handleEvents(
  informers: { readonly pods: Informer<Pod>; readonly nodes: Informer<Node> },
  targets: EventTargets,
): void {
  informers.nodes.addHandler(nodeHandler(targets));
  informers.pods.addHandler(podHandler(targets));
}

/** Nodes: a node that goes helps no pod, so only the cache is told. */
export function nodeHandler({ cache, queue }: EventTargets): InformerHandler<Node> {
  return {
    onAdd(node) {
      cache.setNode(node);
      queue.move({ name: "Node/Add", node });
    },
    onUpdate(node, old) {
      cache.setNode(node);
      for (const event of nodeUpdateEvents(node, old)) queue.move(event);
    },
    onDelete: (node) => cache.removeNode(node.metadata.name),
  };
}

/** Pods: those with a node take room on it, those without wait for one. */
export function podHandler({ cache, queue }: EventTargets): InformerHandler<Pod> {
  const assigned = (pod: Readonly<Pod>, nodeName: string) => {
    const info = podInfoOf(pod);
    // Whoever bound it, it needs no decision any more.
    queue.remove(info.key);
    cache.setPod(info, nodeName);
    queue.move({ name: "AssignedPod/Add", pod: info });
  };
  return {
    onAdd(pod) {
      if (pod.spec.nodeName) assigned(pod, pod.spec.nodeName);
      else if (isOurs(pod)) queue.add(pod);
    },
    onUpdate(pod, old) {
      const { nodeName } = pod.spec;
      if (!nodeName) {
        if (isOurs(pod)) queue.update(pod, !sameNeeds(pod, old));
      } else if (!old.spec.nodeName) {
        assigned(pod, nodeName);
      } else if (!sameNeeds(pod, old)) {
        cache.setPod(podInfoOf(pod), nodeName);
        // What it was tells the hints which resources it may have given back.
        queue.move({ name: "AssignedPod/Update", pod: podInfoOf(old) });
      }
    },
    onDelete(pod) {
      const key = objectKey(pod);
      queue.remove(key);
      // The last state seen may be older than its binding, so the cache is asked whatever it says.
      cache.removePod(key);
      if (pod.spec.nodeName) queue.move({ name: "AssignedPod/Delete", pod: podInfoOf(pod) });
    },
  };
}

/** Other schedulers' pods take room on nodes like any other; only deciding about them is not ours. */
export function isOurs(pod: Readonly<Pod>): boolean {
  return (pod.spec.schedulerName ?? SCHEDULER_NAME) === SCHEDULER_NAME;
}

/** Most updates are of the status, and change nothing that scheduling asks for. */
function sameNeeds(pod: Readonly<Pod>, old: Readonly<Pod>): boolean {
  const needs = ({ spec, metadata, status }: Readonly<Pod>) =>
    JSON.stringify([spec, metadata.labels, spec.nodeName ? heldResources(status) : []]);
  return needs(pod) === needs(old);
}

/** A resize shows in the status before it is done, and when it turns out to be impossible. */
function heldResources(status: Pod["status"]): unknown[] {
  const statuses = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
  const pending = (status?.conditions ?? []).find(({ type }) => type === "PodResizePending");
  return [pending?.reason, ...statuses.map(({ resources, allocatedResources }) => [resources, allocatedResources])];
}

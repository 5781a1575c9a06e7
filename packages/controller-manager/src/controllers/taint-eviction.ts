// The taint eviction controller: deletes pods that do not tolerate their node's NoExecute taints, when their time is up.
import { findCondition } from "@skiff/api/conditions.ts";
import { isConflict, isNotFound } from "@skiff/api/errors.ts";
import { objectKey, splitKey } from "@skiff/api/object.ts";
import { pods as podsRef } from "@skiff/api/resource-ref.ts";
import { tolerates } from "@skiff/api/scheduling/taints.ts";
import type { Pod, Taint } from "@skiff/api/types.ts";
import { formatTime, parseTime } from "@skiff/component-base/clock.ts";
import type { ControllerContext, ControllerDefinition } from "./controller-definition.ts";
import { runReconciler } from "./run-reconciler.ts";
import { BY_NODE } from "./shared-informers.ts";

/** Upstream's UpdateWorkerSize. */
const WORKERS = 8;

/** Keys are pods: a change of a node's taints brings all of its pods. */
export const taintEvictionController = {
  name: "taint-eviction-controller",
  aliases: ["taint-eviction"],
  component: "taint-eviction-controller",
  serviceAccount: "node-controller",
  async run(context, signal) {
    const nodes = context.informers.nodes();
    const pods = context.informers.pods();
    using queue = context.newQueue();
    const enqueue = (pod: Readonly<Pod>) => {
      if (pod.spec?.nodeName) queue.add(objectKey(pod));
    };
    const enqueueAllOf = (node: string) => {
      for (const pod of pods.lister.byIndex(BY_NODE, node)) enqueue(pod);
    };
    using _pods = pods.addHandler({ onAdd: enqueue, onUpdate: enqueue, onDelete: enqueue });
    using _nodes = nodes.addHandler({
      onAdd: (node) => enqueueAllOf(node.metadata.name),
      onUpdate(node, old) {
        if (taintsText(node.spec?.taints) !== taintsText(old.spec?.taints)) enqueueAllOf(node.metadata.name);
      },
      onDelete: (node) => enqueueAllOf(node.metadata.name),
    });
    await Promise.all([nodes.synced(signal), pods.synced(signal)]);
    /** Pods with a timer, and since when. Whether it still holds is computed anew each time. Entries go with their pods. */
    const scheduled = new Map<string, number>();
    const sync = async (key: string, stop: AbortSignal) => {
      const { namespace, name } = splitKey(key);
      const pod = pods.lister.get(namespace, name);
      const node = pod?.spec?.nodeName ? nodes.lister.get("", pod.spec.nodeName) : undefined;
      if (!pod || pod.metadata.deletionTimestamp) return void scheduled.delete(key);
      const now = context.clock.now();
      const since = scheduled.get(key) ?? now;
      const evictAt = evictionTime(pod, node?.spec?.taints ?? [], since);
      if (evictAt === undefined) {
        if (scheduled.delete(key)) report(context, pod, "Cancelling deletion of Pod");
        return;
      }
      scheduled.set(key, since);
      if (evictAt > now) return queue.addAfter(key, evictAt - now);
      await evict(context, pod, stop);
      scheduled.delete(key);
    };
    await runReconciler(queue, WORKERS, sync, { signal, log: context.log, name: this.name });
  },
} satisfies ControllerDefinition;

/**
 * When the pod must go, in milliseconds since the epoch; undefined when it may stay. `sinceMs` is when its taints were first seen, for those
 * that do not say when they were added (people's do not).
 */
export function evictionTime(pod: Readonly<Pod>, taints: readonly Taint[], sinceMs: number): number | undefined {
  let earliest: number | undefined;
  for (const taint of taints.filter(({ effect }) => effect === "NoExecute")) {
    // The first that matches counts, whatever later ones allow: upstream's GetMatchingTolerations.
    const toleration = pod.spec?.tolerations?.find((candidate) => tolerates(candidate, taint));
    if (!toleration) return sinceMs;
    const { tolerationSeconds } = toleration;
    if (tolerationSeconds === undefined) continue;
    // Zero and below mean at once.
    const at = tolerationStart(pod, taint, sinceMs) + Math.max(0, tolerationSeconds) * 1000;
    earliest = Math.min(earliest ?? at, at);
  }
  return earliest;
}

/** A toleration counts from when both the taint and the pod were there, so that a restart of ours starts no timer anew. */
function tolerationStart(pod: Readonly<Pod>, taint: Taint, sinceMs: number): number {
  if (!taint.timeAdded) return sinceMs;
  const bound = findCondition(pod.status?.conditions, "PodScheduled")?.lastTransitionTime;
  const times = [taint.timeAdded, bound, pod.metadata.creationTimestamp].map((time) => (time ? parseTime(time) : 0));
  return Math.max(...times.filter((time) => !Number.isNaN(time)));
}

/** NoExecute alone: the other effects are for the scheduler, and change nothing for pods that run. */
function taintsText(taints: readonly Taint[] | undefined): string {
  return JSON.stringify((taints ?? []).filter(({ effect }) => effect === "NoExecute"));
}

async function evict(context: ControllerContext, pod: Readonly<Pod>, signal: AbortSignal): Promise<void> {
  const { namespace = "", name, uid } = pod.metadata;
  const client = context.client.of(podsRef);
  // Tells a Job's failure policy that the pod did not fail by itself.
  const condition = {
    type: "DisruptionTarget",
    status: "True",
    reason: "DeletionByTaintManager",
    message: "Taint manager: deleting due to NoExecute taint",
    lastTransitionTime: formatTime(context.clock.now()),
  };
  report(context, pod, "Marking for deletion Pod");
  try {
    // The UID twice: neither write may hit a pod that took over the name. A crash between them leaves a pod that is evicted again.
    const body = { metadata: { uid }, status: { conditions: [condition] } };
    await client.patch(namespace, name, "strategic", body, { signal, subresource: "status" });
    await client.delete(namespace, name, { uid }, { signal });
    context.log.info({ pod: objectKey(pod), node: pod.spec?.nodeName }, "pod evicted by taint");
  } catch (error) {
    if (!isNotFound(error) && !isConflict(error)) throw error;
  }
}

function report(context: Pick<ControllerContext, "recorder">, pod: Readonly<Pod>, what: string): void {
  context.recorder.record({ ref: podsRef, object: pod }, "Normal", "TaintManagerEviction", `${what} ${objectKey(pod)}`);
}

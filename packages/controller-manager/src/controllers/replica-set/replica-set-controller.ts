// The replicaset controller: which events make it look at which ReplicaSet, and what they say about its expectations.
import { selectorOf } from "@skiff/api/labels.ts";
import { objectKey } from "@skiff/api/object.ts";
import { controllerOf } from "@skiff/api/owner-references.ts";
import type { Pod, ReplicaSet } from "@skiff/api/types.ts";
import type { InformerHandler, Lister } from "@skiff/client/informer.ts";
import type { ControllerDefinition } from "../controller-definition.ts";
import { Expectations } from "../expectations.ts";
import { runReconciler } from "../run-reconciler.ts";
import { BY_CONTROLLER } from "../shared-informers.ts";
import { ReplicaSetSync } from "./replica-set-sync.ts";

/** Looks at a ReplicaSet when it or one of its pods changes, or an orphan comes that it might adopt. */
export const replicaSetController = {
  name: "replicaset-controller",
  aliases: ["replicaset"],
  component: "replicaset-controller",
  serviceAccount: "replicaset-controller",
  async run(context, signal) {
    const sets = context.informers.replicaSets();
    const pods = context.informers.pods();
    const expectations = new Expectations(context.clock);
    using queue = context.newQueue();
    using _sets = sets.addHandler({
      onAdd: (set) => queue.add(objectKey(set)),
      onUpdate: (set) => queue.add(objectKey(set)),
      onDelete(set) {
        // A set of the same name that comes later starts without them.
        expectations.forget(objectKey(set));
        queue.add(objectKey(set));
        for (const pod of pods.lister.byIndex(BY_CONTROLLER, set.metadata.uid)) enqueueOwner(pod, sets.lister, queue);
      },
    });
    using _pods = pods.addHandler(podHandler(sets.lister, expectations, queue));
    await Promise.all([sets.synced(signal), pods.synced(signal)]);
    const listers = { replicaSets: sets.lister, pods: pods.lister };
    const sync = new ReplicaSetSync(listers, expectations, (key, afterMs) => queue.addAfter(key, afterMs), context);
    await runReconciler(queue, context.config.concurrentReplicaSetSyncs, (key, stop) => sync.sync(key, stop), {
      signal,
      log: context.log,
      name: this.name,
    });
  },
} satisfies ControllerDefinition;

/** What the handlers need of the queue. */
type Queue = { add(key: string): void };

function podHandler(lister: Lister<ReplicaSet>, expectations: Expectations, queue: Queue): InformerHandler<Pod> {
  const deletionSeen = (pod: Readonly<Pod>) => {
    const owner = ownerOf(pod, lister);
    if (owner) expectations.deletionObserved(objectKey(owner), pod.metadata.uid);
    enqueueOwner(pod, lister, queue);
  };
  return {
    onAdd(pod) {
      // After a restart a pod may show up that is being deleted already: it was never counted as created.
      if (pod.metadata.deletionTimestamp) return deletionSeen(pod);
      const owner = ownerOf(pod, lister);
      if (owner) expectations.creationObserved(objectKey(owner));
      enqueueOwner(pod, lister, queue);
    },
    onUpdate(pod, old) {
      // Graceful deletion starts with an update; the set may replace the pod from then on.
      if (pod.metadata.deletionTimestamp) return deletionSeen(pod);
      if (controllerOf(pod)?.uid !== controllerOf(old)?.uid) enqueueOwner(old, lister, queue);
      enqueueOwner(pod, lister, queue);
    },
    onDelete: deletionSeen,
  };
}

/** Puts in line the owner of a pod, or for an orphan all ReplicaSets that might adopt it. */
function enqueueOwner(pod: Readonly<Pod>, lister: Lister<ReplicaSet>, queue: Queue): void {
  if (controllerOf(pod)) {
    const owner = ownerOf(pod, lister);
    if (owner) queue.add(objectKey(owner));
    return;
  }
  if (pod.metadata.deletionTimestamp) return;
  for (const set of lister.list(pod.metadata.namespace)) {
    const selector = selectorOf(set.spec?.selector);
    if (!selector.isEverything && selector.matches(pod.metadata.labels)) queue.add(objectKey(set));
  }
}

function ownerOf(pod: Readonly<Pod>, lister: Lister<ReplicaSet>): Readonly<ReplicaSet> | undefined {
  const controller = controllerOf(pod);
  if (controller?.kind !== "ReplicaSet") return undefined;
  const set = lister.get(pod.metadata.namespace ?? "", controller.name);
  return set?.metadata.uid === controller.uid ? set : undefined;
}

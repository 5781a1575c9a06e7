// The replicaset controller: which events make it look at which ReplicaSet, and what they say about its expectations.
import { objectKey } from "@skiff/api/object.ts";
import { controllerOf } from "@skiff/api/owner-references.ts";
import type { Pod } from "@skiff/api/types.ts";
import type { Informer, InformerHandler, Lister } from "@skiff/client/informer.ts";
import type { ControllerContext, ControllerDefinition } from "../controller-definition.ts";
import { Expectations } from "../expectations.ts";
import { runReconciler } from "../run-reconciler.ts";
import { BY_CONTROLLER } from "../shared-informers.ts";
import { ReplicaSetSync } from "./replica-set-sync.ts";
import { type Replicated, type ReplicatedKind, replicaSetKind } from "./replicated-kind.ts";

/** A Deployment changes only sizes of ReplicaSets; pods come and go by this controller alone. */
export const replicaSetController = {
  name: "replicaset-controller",
  aliases: ["replicaset"],
  component: "replicaset-controller",
  serviceAccount: "replicaset-controller",
  async run(context, signal) {
    const { concurrentReplicaSetSyncs } = context.config;
    await runReplicas(replicaSetKind, context.informers.replicaSets(), concurrentReplicaSetSyncs, context, signal);
  },
} satisfies ControllerDefinition;

/** Looks at an owner of replicas when it or one of its pods changes, or an orphan comes that it might adopt. */
export async function runReplicas<T extends Replicated>(
  kind: ReplicatedKind<T>,
  owners: Informer<T>,
  concurrency: number,
  context: ControllerContext,
  signal: AbortSignal,
): Promise<void> {
  const pods = context.informers.pods();
  const expectations = new Expectations(context.clock);
  using queue = context.newQueue();
  const known = { kind, lister: owners.lister, queue };
  using _owners = owners.addHandler({
    onAdd: (owner) => queue.add(objectKey(owner)),
    onUpdate: (owner) => queue.add(objectKey(owner)),
    onDelete(owner) {
      // One of the same name that comes later starts without them.
      expectations.forget(objectKey(owner));
      queue.add(objectKey(owner));
      for (const pod of pods.lister.byIndex(BY_CONTROLLER, owner.metadata.uid)) enqueueOwner(pod, known);
    },
  });
  using _pods = pods.addHandler(podHandler(known, expectations));
  await Promise.all([owners.synced(signal), pods.synced(signal)]);
  const listers = { owners: owners.lister, pods: pods.lister };
  const recheck = (key: string, afterMs: number) => queue.addAfter(key, afterMs);
  const sync = new ReplicaSetSync(kind, listers, expectations, recheck, context);
  const name = kind.ref.kind.toLowerCase();
  await runReconciler(queue, concurrency, (key, stop) => sync.sync(key, stop), { signal, log: context.log, name });
}

/** Where a pod's owner is found and put in line. */
interface Owners<T extends Replicated> {
  readonly kind: ReplicatedKind<T>;
  readonly lister: Lister<T>;
  readonly queue: { add(key: string): void };
}

function podHandler<T extends Replicated>(owners: Owners<T>, expectations: Expectations): InformerHandler<Pod> {
  const deletionSeen = (pod: Readonly<Pod>) => {
    const owner = ownerOf(pod, owners);
    if (owner) expectations.deletionObserved(objectKey(owner), pod.metadata.uid);
    enqueueOwner(pod, owners);
  };
  return {
    onAdd(pod) {
      // After a restart a pod may show up that is being deleted already: it was never counted as created.
      if (pod.metadata.deletionTimestamp) return deletionSeen(pod);
      const owner = ownerOf(pod, owners);
      if (owner) expectations.creationObserved(objectKey(owner));
      enqueueOwner(pod, owners);
    },
    onUpdate(pod, old) {
      // Graceful deletion starts with an update; the set may replace the pod from then on.
      if (pod.metadata.deletionTimestamp) return deletionSeen(pod);
      if (controllerOf(pod)?.uid !== controllerOf(old)?.uid) enqueueOwner(old, owners);
      enqueueOwner(pod, owners);
    },
    onDelete: deletionSeen,
  };
}

/** Puts in line the owner of a pod, or for an orphan all that might adopt it. */
function enqueueOwner<T extends Replicated>(pod: Readonly<Pod>, owners: Owners<T>): void {
  const { kind, lister, queue } = owners;
  if (controllerOf(pod)) {
    const owner = ownerOf(pod, owners);
    if (owner) queue.add(objectKey(owner));
    return;
  }
  if (pod.metadata.deletionTimestamp) return;
  for (const set of lister.list(pod.metadata.namespace)) {
    const selector = kind.selectorOf(set);
    if (!selector.isEverything && selector.matches(pod.metadata.labels)) queue.add(objectKey(set));
  }
}

function ownerOf<T extends Replicated>(pod: Readonly<Pod>, { kind, lister }: Owners<T>): Readonly<T> | undefined {
  const controller = controllerOf(pod);
  if (controller?.kind !== kind.ref.kind) return undefined;
  const set = lister.get(pod.metadata.namespace ?? "", controller.name);
  return set?.metadata.uid === controller.uid ? set : undefined;
}

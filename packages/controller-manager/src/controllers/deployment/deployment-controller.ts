// The deployment controller: which events make it look at which Deployment.
import { selectorOf } from "@skiff/api/labels.ts";
import { objectKey } from "@skiff/api/object.ts";
import { controllerOf } from "@skiff/api/owner-references.ts";
import type { Deployment, OwnerReference, Pod, ReplicaSet } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import type { ControllerDefinition } from "../controller-definition.ts";
import { runReconciler } from "../run-reconciler.ts";
import { BY_CONTROLLER } from "../shared-informers.ts";
import { DeploymentSync } from "./deployment-sync.ts";
import { isRollingUpdate } from "./replica-counts.ts";

/** Looks at a Deployment when it, one of its ReplicaSets, or the last pod that Recreate waits for changes. */
export const deploymentController = {
  name: "deployment-controller",
  aliases: ["deployment"],
  component: "deployment-controller",
  serviceAccount: "deployment-controller",
  async run(context, signal) {
    const informers = {
      deployments: context.informers.deployments(),
      replicaSets: context.informers.replicaSets(),
      pods: context.informers.pods(),
    };
    const listers = {
      deployments: informers.deployments.lister,
      replicaSets: informers.replicaSets.lister,
      pods: informers.pods.lister,
    };
    using queue = context.newQueue();
    const enqueue = (deployment: Readonly<Deployment>) => queue.add(objectKey(deployment));
    using _deployments = informers.deployments.addHandler({ onAdd: enqueue, onUpdate: enqueue });
    const onSet = (set: Readonly<ReplicaSet>) => {
      for (const deployment of interestedIn(set, listers.deployments)) enqueue(deployment);
    };
    using _sets = informers.replicaSets.addHandler({
      onAdd: onSet,
      onUpdate(set, old) {
        // A set that changed hands concerns the old owner too.
        if (controllerOf(set)?.uid !== controllerOf(old)?.uid) onSet(old);
        onSet(set);
      },
      onDelete: onSet,
    });
    using _pods = informers.pods.addHandler({
      onDelete(pod) {
        // Rolling updates follow the counts that ReplicaSets report; only Recreate waits for the pods themselves.
        const deployment = recreatedBy(pod, listers);
        if (deployment) enqueue(deployment);
      },
    });
    await Promise.all(Object.values(informers).map((informer) => informer.synced(signal)));
    const sync = new DeploymentSync(listers, (key, afterMs) => queue.addAfter(key, afterMs), context);
    await runReconciler(queue, context.config.concurrentDeploymentSyncs, (key, stop) => sync.sync(key, stop), {
      signal,
      log: context.log,
      name: this.name,
    });
  },
} satisfies ControllerDefinition;

/** The owner of a set, or for an orphan all Deployments that might adopt it. */
function interestedIn(set: Readonly<ReplicaSet>, lister: Lister<Deployment>): Readonly<Deployment>[] {
  const { namespace } = set.metadata;
  const controller = controllerOf(set);
  if (controller) return ownedBy(controller, namespace, lister);
  return lister.list(namespace).filter((deployment) => {
    const selector = selectorOf(deployment.spec.selector);
    return !selector.isEverything && selector.matches(set.metadata.labels);
  });
}

function ownedBy(
  controller: OwnerReference,
  namespace: string | undefined,
  lister: Lister<Deployment>,
): Readonly<Deployment>[] {
  if (controller.kind !== "Deployment") return [];
  const deployment = lister.get(namespace ?? "", controller.name);
  return deployment?.metadata.uid === controller.uid ? [deployment] : [];
}

/** The Deployment that waits for this pod to be gone: one of strategy Recreate whose set has no other pod. */
function recreatedBy(
  pod: Readonly<Pod>,
  listers: { deployments: Lister<Deployment>; replicaSets: Lister<ReplicaSet>; pods: Lister<Pod> },
): Readonly<Deployment> | undefined {
  const controller = controllerOf(pod);
  if (controller?.kind !== "ReplicaSet" || listers.pods.byIndex(BY_CONTROLLER, controller.uid).length > 0)
    return undefined;
  const set = listers.replicaSets.get(pod.metadata.namespace ?? "", controller.name);
  const owner = set && controllerOf(set);
  const deployment = owner && ownedBy(owner, pod.metadata.namespace, listers.deployments)[0];
  return deployment && !isRollingUpdate(deployment) ? deployment : undefined;
}

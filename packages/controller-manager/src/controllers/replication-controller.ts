// The replicationcontroller controller: it keeps pods as the ReplicaSets' one does, for the kind of before.
import type { ControllerDefinition } from "./controller-definition.ts";
import { runReplicas } from "./replica-set/replica-set-controller.ts";
import { replicationControllerKind } from "./replica-set/replicated-kind.ts";

/** Selectors of ReplicationControllers are plain maps; everything else is as for ReplicaSets. */
export const replicationController = {
  name: "replicationcontroller-controller",
  aliases: ["replicationcontroller"],
  component: "replication-controller",
  serviceAccount: "replication-controller",
  async run(context, signal) {
    const owners = context.informers.replicationControllers();
    await runReplicas(replicationControllerKind, owners, context.config.concurrentRcSyncs, context, signal);
  },
} satisfies ControllerDefinition;

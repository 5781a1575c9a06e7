// What ReplicaSets and the ReplicationControllers of before have in common, and where they differ.
import type { Selector } from "@skiff/api/labels.ts";
import { selectorFromMap, selectorOf } from "@skiff/api/labels.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import { replicaSets, replicationControllers } from "@skiff/api/resource-ref.ts";
import type { ReplicaSet, ReplicaSetStatus, ReplicationController } from "@skiff/api/types.ts";

/** Objects that keep a number of pods of one template. */
export type Replicated = ReplicaSet | ReplicationController;

/** Everything in which the two differ, so that one controller's code serves both. */
export interface ReplicatedKind<T extends Replicated> {
  readonly ref: ResourceRef<T>;
  selectorOf(owner: Readonly<T>): Selector;
  withStatus(owner: Readonly<T>, status: ReplicaSetStatus): T;
}

/** The kind of now, with selectors of labels and expressions. */
export const replicaSetKind: ReplicatedKind<ReplicaSet> = {
  ref: replicaSets,
  selectorOf: ({ spec }) => selectorOf(spec?.selector),
  withStatus: (owner, status) => ({ ...owner, status }),
};

/** The kind of before, with selectors of labels alone. */
export const replicationControllerKind: ReplicatedKind<ReplicationController> = {
  ref: replicationControllers,
  selectorOf: ({ spec }) => selectorFromMap(spec?.selector),
  // The older kind has no count of pods that are on their way out.
  withStatus: (owner, { terminatingReplicas: _, ...status }) => ({ ...owner, status }),
};

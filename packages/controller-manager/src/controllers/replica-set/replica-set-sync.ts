// One pass over one ReplicaSet or ReplicationController: claim its pods, create or delete the difference, write its status.
import { isPodActive, isPodTerminal } from "@skiff/api/conditions.ts";
import { isConflict, isNotFound } from "@skiff/api/errors.ts";
import type { Unsaved } from "@skiff/api/object.ts";
import { splitKey } from "@skiff/api/object.ts";
import { controllerOf, newControllerRef } from "@skiff/api/owner-references.ts";
import { pods } from "@skiff/api/resource-ref.ts";
import type { Pod, ReplicaSetStatus } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import { claim, planClaims } from "../adoption.ts";
import type { ControllerContext } from "../controller-definition.ts";
import type { Expectations } from "../expectations.ts";
import { isNamespaceTerminating } from "../namespace-terminating.ts";
import { BY_CONTROLLER, orphansOf } from "../shared-informers.ts";
import { slowStart } from "../slow-start.ts";
import { planScale } from "./plan-scale.ts";
import { computeReplicaSetStatus, isSameReplicaSetStatus, nextAvailabilityMs } from "./replica-set-status.ts";
import type { Replicated, ReplicatedKind } from "./replicated-kind.ts";

type Context = Pick<ControllerContext, "client" | "recorder" | "clock" | "log">;

/** Caches, with the index by controller. */
export interface ReplicaSetListers<T extends Replicated> {
  readonly owners: Lister<T>;
  readonly pods: Lister<Pod>;
}

/** Becomes the condition ReplicaFailure, and the pass is repeated. */
interface ScaleFailure {
  readonly reason: "FailedCreate" | "FailedDelete";
  readonly error: unknown;
}

/** `recheck` is for pods that become available by the mere passing of time. */
export class ReplicaSetSync<T extends Replicated> {
  private readonly kind: ReplicatedKind<T>;
  private readonly listers: ReplicaSetListers<T>;
  private readonly expectations: Expectations;
  private readonly recheck: (key: string, afterMs: number) => void;
  private readonly context: Context;

  constructor(
    kind: ReplicatedKind<T>,
    listers: ReplicaSetListers<T>,
    expectations: Expectations,
    recheck: (key: string, afterMs: number) => void,
    context: Context,
  ) {
    this.kind = kind;
    this.listers = listers;
    this.expectations = expectations;
    this.recheck = recheck;
    this.context = context;
  }

  /** Safe to repeat after a crash at any point: each write follows from what the server holds, not from what was done before. */
  async sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const replicaSet = this.listers.owners.get(namespace, name);
    if (!replicaSet) return this.expectations.forget(key);
    // Asked before the pods are read: an event in between makes the count complete, never too small.
    const mayScale = this.expectations.satisfied(key) && !replicaSet.metadata.deletionTimestamp;
    const { active, terminating } = await this.claimPods(replicaSet, signal);
    const failure = mayScale ? await this.scale(key, replicaSet, active, signal) : undefined;
    const observation = {
      active,
      terminating,
      failure: failure && { reason: failure.reason, message: messageOf(failure.error) },
    };
    const nowMs = this.context.clock.now();
    const status = computeReplicaSetStatus(replicaSet, observation, nowMs);
    // Also after a failure, which the status is to tell of; the throw then brings the set back with back-off.
    await this.writeStatus(replicaSet, status, signal);
    if (failure) throw failure.error;
    const againMs = nextAvailabilityMs(active, replicaSet.spec?.minReadySeconds ?? 0, nowMs);
    if (againMs !== undefined) this.recheck(key, againMs);
  }

  private async claimPods(
    replicaSet: Readonly<T>,
    signal: AbortSignal,
  ): Promise<{ active: Readonly<Pod>[]; terminating: number }> {
    const { client } = this.context;
    const { uid, namespace } = replicaSet.metadata;
    // All pods of the namespace need not be looked at: only those it has and those that nobody has.
    const own = this.listers.pods.byIndex(BY_CONTROLLER, uid);
    const candidates = [...own, ...this.listers.pods.byIndex(BY_CONTROLLER, orphansOf(namespace))].filter(isPodActive);
    const plan = planClaims(replicaSet, this.kind.selectorOf(replicaSet), candidates as Pod[]);
    const { ref } = this.kind;
    const target = { ownerRef: ref, owners: client.of(ref), objects: client.of(pods) };
    const active = await claim(target, replicaSet, plan, signal);
    const terminating = own.filter((pod) => pod.metadata.deletionTimestamp && !isPodTerminal(pod)).length;
    return { active, terminating };
  }

  private async scale(
    key: string,
    replicaSet: Readonly<T>,
    active: readonly Readonly<Pod>[],
    signal: AbortSignal,
  ): Promise<ScaleFailure | undefined> {
    const wanted = replicaSet.spec?.replicas ?? 1;
    // Only a choice among pods asks for it.
    const related = active.length > wanted ? this.relatedPods(replicaSet) : [];
    const { create, remove } = planScale(wanted, active as Pod[], related as Pod[], this.context.clock.now());
    if (create > 0) return this.createPods(key, replicaSet, create, signal);
    if (remove.length > 0) return this.deletePods(key, replicaSet, remove, signal);
    return undefined;
  }

  private async createPods(
    key: string,
    replicaSet: Readonly<T>,
    count: number,
    signal: AbortSignal,
  ): Promise<ScaleFailure | undefined> {
    this.context.log.debug({ replicaSet: key, count }, "creating pods");
    this.expectations.expectCreations(key, count);
    const template = podOf(replicaSet, this.kind);
    const { successes, error } = await slowStart(count, () => this.createPod(replicaSet, template, signal));
    // What was not created will not be seen.
    if (successes < count) this.expectations.creationObserved(key, count - successes);
    // Where the namespace goes, nothing can be created and nothing is wrong.
    return error === undefined || isNamespaceTerminating(error) ? undefined : { reason: "FailedCreate", error };
  }

  private async createPod(replicaSet: Readonly<T>, pod: Unsaved<Pod>, signal: AbortSignal): Promise<void> {
    try {
      const created = await this.context.client.of(pods).create(replicaSet.metadata.namespace ?? "", pod, { signal });
      this.record(replicaSet, "Normal", "SuccessfulCreate", `Created pod: ${created.metadata.name}`);
    } catch (error) {
      if (!isNamespaceTerminating(error)) {
        this.record(replicaSet, "Warning", "FailedCreate", `Error creating: ${messageOf(error)}`);
      }
      throw error;
    }
  }

  private async deletePods(
    key: string,
    replicaSet: Readonly<T>,
    remove: readonly Readonly<Pod>[],
    signal: AbortSignal,
  ): Promise<ScaleFailure | undefined> {
    this.context.log.debug({ replicaSet: key, count: remove.length }, "deleting pods");
    this.expectations.expectDeletions(
      key,
      remove.map((pod) => pod.metadata.uid),
    );
    // All at once: unlike creates, deletes do not fail for one common reason.
    const results = await Promise.allSettled(remove.map((pod) => this.deletePod(key, replicaSet, pod, signal)));
    const failed = results.find((result) => result.status === "rejected");
    return failed ? { reason: "FailedDelete", error: failed.reason } : undefined;
  }

  private async deletePod(
    key: string,
    replicaSet: Readonly<T>,
    { metadata: { namespace = "", name, uid } }: Readonly<Pod>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await this.context.client.of(pods).delete(namespace, name, { uid }, { signal });
      this.record(replicaSet, "Normal", "SuccessfulDelete", `Deleted pod: ${name}`);
    } catch (error) {
      // The event may never come for a delete that failed; if it does, it is not counted twice.
      this.expectations.deletionObserved(key, uid);
      if (isNotFound(error) || isConflict(error)) return;
      this.record(replicaSet, "Warning", "FailedDelete", `Error deleting: ${messageOf(error)}`);
      throw error;
    }
  }

  /** The active pods of all ReplicaSets with the same owner, whose crowding on a node counts. */
  private relatedPods(replicaSet: Readonly<T>): Readonly<Pod>[] {
    const owner = controllerOf(replicaSet);
    const siblings = owner ? this.listers.owners.byIndex(BY_CONTROLLER, owner.uid) : [replicaSet];
    return siblings
      .flatMap((sibling) => this.listers.pods.byIndex(BY_CONTROLLER, sibling.metadata.uid))
      .filter(isPodActive);
  }

  private async writeStatus(replicaSet: Readonly<T>, status: ReplicaSetStatus, signal: AbortSignal): Promise<void> {
    // A write comes back as an event and brings the set here again: without this it would never end.
    if (isSameReplicaSetStatus(replicaSet.status, status)) return;
    try {
      await this.context.client.of(this.kind.ref).updateStatus(this.kind.withStatus(replicaSet, status), { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private record(object: Readonly<T>, type: "Normal" | "Warning", reason: string, message: string): void {
    this.context.recorder.record({ ref: this.kind.ref, object }, type, reason, message);
  }
}

/** The pod to create: the template, named after the set and owned by it. */
function podOf<T extends Replicated>(replicaSet: Readonly<T>, { ref }: ReplicatedKind<T>): Unsaved<Pod> {
  const template = replicaSet.spec?.template;
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    metadata: {
      generateName: `${replicaSet.metadata.name}-`,
      ...(replicaSet.metadata.namespace === undefined ? {} : { namespace: replicaSet.metadata.namespace }),
      ...(labels ? { labels } : {}),
      ...(annotations ? { annotations } : {}),
      ...(finalizers ? { finalizers } : {}),
      ownerReferences: [newControllerRef(replicaSet, ref)],
    },
    spec: template?.spec ?? { containers: [] },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

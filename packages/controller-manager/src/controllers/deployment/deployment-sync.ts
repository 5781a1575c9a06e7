// One pass over one Deployment: claim its ReplicaSets, take the next step of its rollout, write its status.
import { isAlreadyExists, isConflict, isNotFound } from "@skiff/api/errors.ts";
import { selectorOf } from "@skiff/api/labels.ts";
import type { Unsaved } from "@skiff/api/object.ts";
import { objectKey, splitKey } from "@skiff/api/object.ts";
import { controllerOf } from "@skiff/api/owner-references.ts";
import { deployments, replicaSets } from "@skiff/api/resource-ref.ts";
import type { Deployment, DeploymentStatus, Pod, ReplicaSet } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import { claim, planClaims } from "../adoption.ts";
import type { ControllerContext } from "../controller-definition.ts";
import { isNamespaceTerminating } from "../namespace-terminating.ts";
import { BY_CONTROLLER, orphansOf } from "../shared-informers.ts";
import type { NewCondition } from "./deployment-conditions.ts";
import { conditionOf, hasProgressDeadline, pauseCondition, withCondition } from "./deployment-conditions.ts";
import { computeRolloutStatus, computeStatus, isComplete, isSameStatus, recheckInMs } from "./deployment-status.ts";
import { buildNewSet, findNewSet, hasTemplateOf } from "./new-replica-set.ts";
import { planCleanup } from "./plan-cleanup.ts";
import { isScalingEvent, planScaling } from "./proportional-scaling.ts";
import { desiredReplicas, isRollingUpdate, maxSurge, withDesiredPods } from "./replica-counts.ts";
import { annotationsForNewSet, nextRevision, REVISION, sizeAnnotations } from "./revisions.ts";
import type { Resize } from "./rolling-update.ts";
import { planRollingUpdate } from "./rolling-update.ts";

type Context = Pick<ControllerContext, "client" | "recorder" | "clock" | "log">;

/** Caches, which may be behind: writes carry versions, so that one based on old state fails and is repeated. */
export interface DeploymentListers {
  readonly deployments: Lister<Deployment>;
  readonly replicaSets: Lister<ReplicaSet>;
  readonly pods: Lister<Pod>;
}

/** A Deployment being worked on. `next` gathers what its status write will say; `stored` is what the server has. */
interface Rollout {
  readonly stored: Readonly<Deployment>;
  next: Deployment;
  newSet: Readonly<ReplicaSet> | undefined;
  oldSets: readonly Readonly<ReplicaSet>[];
}

/** `recheck` is for what no event tells of: a deadline that passes. */
export class DeploymentSync {
  private readonly context: Context;
  private readonly listers: DeploymentListers;
  private readonly recheck: (key: string, afterMs: number) => void;

  constructor(listers: DeploymentListers, recheck: (key: string, afterMs: number) => void, context: Context) {
    this.context = context;
    this.listers = listers;
    this.recheck = recheck;
  }

  /**
   * Takes one step and writes what it came to; the ReplicaSets' events bring the next. After a crash between a ReplicaSet's write
   * and the status the next pass finds the set by its template, and goes on from there.
   */
  async sync(key: string, signal: AbortSignal): Promise<void> {
    const { namespace, name } = splitKey(key);
    const stored = this.listers.deployments.get(namespace, name);
    if (!stored) return;
    if (selectorOf(stored.spec.selector).isEverything) return this.refuseToSelectAll(stored, signal);
    const sets = await this.claimSets(stored, signal);
    const newSet = findNewSet(stored, sets);
    const rollout: Rollout = { stored, next: { ...stored }, newSet, oldSets: sets.filter((set) => set !== newSet) };
    if (stored.metadata.deletionTimestamp) return this.writePlainStatus(rollout, signal);
    const pause = pauseCondition(stored);
    if (pause) this.setCondition(rollout, pause);
    // A resize comes before the rollout: sizes must be right in proportion before pods move from old sets to the new.
    if (stored.spec.paused || isScalingEvent(stored, sets)) return this.scale(rollout, signal);
    if (isRollingUpdate(stored)) await this.roll(rollout, signal);
    else await this.recreate(rollout, signal);
  }

  private async refuseToSelectAll(deployment: Readonly<Deployment>, signal: AbortSignal): Promise<void> {
    const message = "This deployment is selecting all pods. A non-empty selector is required.";
    this.record(deployment, "Warning", "SelectingAll", message);
    const { generation } = deployment.metadata;
    if (generation === undefined || (deployment.status?.observedGeneration ?? 0) >= generation) return;
    const status = { ...deployment.status, observedGeneration: generation };
    await this.context.client.of(deployments).updateStatus({ ...deployment, status }, { signal });
  }

  private async claimSets(deployment: Readonly<Deployment>, signal: AbortSignal): Promise<Readonly<ReplicaSet>[]> {
    const { client } = this.context;
    const { uid, namespace } = deployment.metadata;
    const candidates = [uid, orphansOf(namespace)].flatMap((owner) =>
      this.listers.replicaSets.byIndex(BY_CONTROLLER, owner),
    );
    const plan = planClaims(deployment, selectorOf(deployment.spec.selector), candidates as ReplicaSet[]);
    const target = { ownerRef: deployments, owners: client.of(deployments), objects: client.of(replicaSets) };
    return claim(target, deployment as Deployment, plan, signal);
  }

  /** Paused, or resized while several ReplicaSets run: sizes change in proportion, and nothing else moves. */
  private async scale(rollout: Rollout, signal: AbortSignal): Promise<void> {
    await this.refreshNewSet(rollout, signal);
    await this.resize(rollout, planScaling(rollout.next, rollout.newSet, rollout.oldSets), signal);
    if (rollout.stored.spec.paused) await this.cleanUp(rollout, signal);
    await this.writePlainStatus(rollout, signal);
  }

  private async roll(rollout: Rollout, signal: AbortSignal): Promise<void> {
    await this.ensureNewSet(rollout, signal);
    if (!rollout.newSet) return this.writeRolloutStatus(rollout, signal);
    const scaled = await this.resize(
      rollout,
      planRollingUpdate(rollout.next, rollout.newSet, withDesiredPods(rollout.oldSets)),
      signal,
    );
    if (!scaled) await this.cleanUpWhenComplete(rollout, signal);
    await this.writeRolloutStatus(rollout, signal);
  }

  /** All old pods must be gone, not only asked to go, before the first new one comes. */
  private async recreate(rollout: Rollout, signal: AbortSignal): Promise<void> {
    await this.refreshNewSet(rollout, signal);
    const toZero = withDesiredPods(rollout.oldSets).map((replicaSet) => ({ replicaSet, replicas: 0 }));
    const scaled = await this.resize(rollout, toZero, signal);
    if (scaled || this.oldPodsRun(rollout)) return this.writeRolloutStatus(rollout, signal);
    await this.ensureNewSet(rollout, signal);
    if (rollout.newSet) {
      await this.resize(rollout, [{ replicaSet: rollout.newSet, replicas: desiredReplicas(rollout.next) }], signal);
      await this.cleanUpWhenComplete(rollout, signal);
    }
    await this.writeRolloutStatus(rollout, signal);
  }

  /** Pods, not the sets' counts: those may be a moment behind, and two versions must not run side by side. */
  private oldPodsRun({ oldSets }: Rollout): boolean {
    return oldSets.some((set) =>
      this.listers.pods
        .byIndex(BY_CONTROLLER, set.metadata.uid)
        .some((pod) => pod.status?.phase !== "Failed" && pod.status?.phase !== "Succeeded"),
    );
  }

  /** Brings an existing current ReplicaSet's revision, annotations and minReadySeconds up to date; creates none. */
  private async refreshNewSet(rollout: Rollout, signal: AbortSignal): Promise<void> {
    const { newSet, next, oldSets } = rollout;
    if (!newSet) return;
    const annotations = annotationsForNewSet(next, newSet.metadata.annotations, nextRevision(oldSets));
    const minReadySeconds = next.spec.minReadySeconds ?? 0;
    const isCurrent =
      (newSet.spec?.minReadySeconds ?? 0) === minReadySeconds &&
      sameMap(annotations, newSet.metadata.annotations ?? {});
    if (!isCurrent && newSet.spec) {
      const update = {
        ...newSet,
        metadata: { ...newSet.metadata, annotations },
        spec: { ...newSet.spec, minReadySeconds },
      };
      rollout.newSet = await this.context.client.of(replicaSets).update(update, { signal });
    }
    this.setRevision(rollout, annotations[REVISION]);
    if (hasProgressDeadline(next) && !conditionOf(next.status?.conditions, "Progressing")) {
      const message = `Found new replica set "${newSet.metadata.name}"`;
      this.setCondition(rollout, { type: "Progressing", status: "True", reason: "FoundNewReplicaSet", message });
    }
  }

  private async ensureNewSet(rollout: Rollout, signal: AbortSignal): Promise<void> {
    if (rollout.newSet) return this.refreshNewSet(rollout, signal);
    const { next, oldSets } = rollout;
    const wanted = buildNewSet(next, oldSets, nextRevision(oldSets));
    try {
      rollout.newSet = await this.context.client
        .of(replicaSets)
        .create(next.metadata.namespace ?? "", wanted, { signal });
    } catch (error) {
      if (isAlreadyExists(error)) rollout.newSet = await this.resolveCollision(rollout, wanted, signal);
      else if (isNamespaceTerminating(error)) return;
      else await this.reportFailedCreate(rollout, wanted, error, signal);
      if (!rollout.newSet) return;
    }
    const created = rollout.newSet;
    if (desiredReplicas(created) > 0) {
      this.record(next, "Normal", "ScalingReplicaSet", scalingMessage(created, 0, desiredReplicas(created)));
    }
    this.setRevision(rollout, created.metadata.annotations?.[REVISION]);
    if (hasProgressDeadline(next)) {
      const message = `Created new replica set "${created.metadata.name}"`;
      this.setCondition(rollout, { type: "Progressing", status: "True", reason: "NewReplicaSetCreated", message });
    }
  }

  /** The name is taken: by our own earlier create that the cache has not shown, or by another template of equal hash. */
  private async resolveCollision(
    { next, stored }: Rollout,
    wanted: Unsaved<ReplicaSet>,
    signal: AbortSignal,
  ): Promise<ReplicaSet | undefined> {
    const { client } = this.context;
    const { namespace = "" } = next.metadata;
    const existing = await client.of(replicaSets).get(namespace, wanted.metadata.name ?? "", { signal });
    if (controllerOf(existing)?.uid === next.metadata.uid && hasTemplateOf(next, existing)) return existing;
    // Part of the hash: the next pass computes another name.
    const collisionCount = (stored.status?.collisionCount ?? 0) + 1;
    await client.of(deployments).updateStatus({ ...stored, status: { ...stored.status, collisionCount } }, { signal });
    throw new Error(`the name ${wanted.metadata.name} is taken; another hash will be tried`);
  }

  private async reportFailedCreate(
    rollout: Rollout,
    wanted: Unsaved<ReplicaSet>,
    error: unknown,
    signal: AbortSignal,
  ): Promise<never> {
    const message = `Failed to create new replica set "${wanted.metadata.name}": ${messageOf(error)}`;
    this.setCondition(rollout, { type: "Progressing", status: "False", reason: "ReplicaSetCreateError", message });
    this.record(rollout.stored, "Warning", "ReplicaSetCreateError", message);
    await this.write(rollout, rollout.next.status ?? {}, signal);
    throw error;
  }

  /** Applies new sizes; true when one of them changed the number of pods. */
  private async resize(rollout: Rollout, resizes: readonly Resize[], signal: AbortSignal): Promise<boolean> {
    let changed = false;
    for (const { replicaSet, replicas } of resizes) {
      const desired = desiredReplicas(rollout.next);
      const sizes = sizeAnnotations(desired, desired + maxSurge(rollout.next));
      const before = desiredReplicas(replicaSet);
      const annotations = { ...replicaSet.metadata.annotations, ...sizes };
      if (!replicaSet.spec) continue;
      if (before === replicas && sameMap(annotations, replicaSet.metadata.annotations ?? {})) continue;
      const update = {
        ...replicaSet,
        metadata: { ...replicaSet.metadata, annotations },
        spec: { ...replicaSet.spec, replicas },
      };
      const updated = await this.context.client.of(replicaSets).update(update, { signal });
      replaceSet(rollout, replicaSet, updated);
      if (before === replicas) continue;
      changed = true;
      this.record(rollout.stored, "Normal", "ScalingReplicaSet", scalingMessage(replicaSet, before, replicas));
    }
    return changed;
  }

  private async cleanUpWhenComplete(rollout: Rollout, signal: AbortSignal): Promise<void> {
    if (isComplete(rollout.next, rollout.next.status ?? {})) await this.cleanUp(rollout, signal);
  }

  private async cleanUp({ next, oldSets }: Rollout, signal: AbortSignal): Promise<void> {
    for (const { metadata } of planCleanup(next, oldSets)) {
      const { namespace = "", name, uid } = metadata;
      try {
        await this.context.client.of(replicaSets).delete(namespace, name, { uid }, { signal });
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
    }
  }

  private async writePlainStatus(rollout: Rollout, signal: AbortSignal): Promise<void> {
    const { next, newSet } = rollout;
    await this.write(rollout, computeStatus(next, newSet, allSets(rollout), this.context.clock.now()), signal);
  }

  private async writeRolloutStatus(rollout: Rollout, signal: AbortSignal): Promise<void> {
    const { next, newSet } = rollout;
    const nowMs = this.context.clock.now();
    const status = computeRolloutStatus(next, newSet, allSets(rollout), nowMs);
    await this.write(rollout, status, signal);
    const againMs = recheckInMs(next, status, nowMs);
    if (againMs !== undefined) this.recheck(objectKey(next), againMs);
  }

  /** Status and revision go in one write: the status subresource takes annotations too. */
  private async write({ stored, next }: Rollout, status: DeploymentStatus, signal: AbortSignal): Promise<void> {
    // A write comes back as an event and brings the Deployment here again: without this it would never end.
    const sameRevision = stored.metadata.annotations?.[REVISION] === next.metadata.annotations?.[REVISION];
    if (sameRevision && isSameStatus(stored.status, status)) return;
    try {
      await this.context.client.of(deployments).updateStatus({ ...next, status }, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private setRevision(rollout: Rollout, revision: string | undefined): void {
    const { next } = rollout;
    if (!revision || next.metadata.annotations?.[REVISION] === revision) return;
    const annotations = { ...next.metadata.annotations, [REVISION]: revision };
    rollout.next = { ...next, metadata: { ...next.metadata, annotations } };
  }

  private setCondition(rollout: Rollout, condition: NewCondition): void {
    const { next } = rollout;
    const conditions = withCondition(next.status?.conditions ?? [], condition, this.context.clock.now());
    rollout.next = { ...next, status: { ...next.status, conditions } };
  }

  private record(deployment: Readonly<Deployment>, type: "Normal" | "Warning", reason: string, message: string): void {
    this.context.recorder.record({ ref: deployments, object: deployment }, type, reason, message);
  }
}

function allSets({ newSet, oldSets }: Rollout): Readonly<ReplicaSet>[] {
  return newSet ? [...oldSets, newSet] : [...oldSets];
}

/** Later steps of the pass must go on from the version that was just written, or their writes would conflict. */
function replaceSet(rollout: Rollout, before: Readonly<ReplicaSet>, after: Readonly<ReplicaSet>): void {
  if (rollout.newSet === before) rollout.newSet = after;
  rollout.oldSets = rollout.oldSets.map((set) => (set === before ? after : set));
}

function scalingMessage(set: Readonly<ReplicaSet>, from: number, to: number): string {
  return `Scaled ${from < to ? "up" : "down"} replica set ${set.metadata.name} from ${from} to ${to}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function sameMap(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
}

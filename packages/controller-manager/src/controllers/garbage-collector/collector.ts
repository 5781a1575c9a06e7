// The garbage collector's hands: looks at one object, live, and deletes it, frees it or lets it be.
import { isConflict, isNotFound } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { OwnerReference } from "@skiff/api/types.ts";
import type { ControllerContext } from "../controller-definition.ts";
import { MetadataClient } from "../metadata-client.ts";
import { AbsentOwners } from "./absent-owners.ts";
import type { GraphNode, GraphWork, ObjectIdentity, OwnerGraph } from "./owner-graph.ts";
import { blockingDependents, FOREGROUND, identityOfOwner, ORPHAN } from "./owner-graph.ts";
import type { OwnerState } from "./plan-owners.ts";
import { planByOwners } from "./plan-owners.ts";

type Context = Pick<ControllerContext, "client" | "recorder" | "log">;

/** `enqueue` takes what a look at one object calls for on others. */
export interface CollectorDeps {
  readonly graph: OwnerGraph;
  resourceOf(apiVersion: string, kind: string): ResourceRef | undefined;
  enqueue(work: GraphWork): void;
}

/** Both attempts are safe to repeat, and do nothing for a UID that the graph does not know. */
export class Collector {
  private readonly absent = new AbsentOwners();
  private readonly deps: CollectorDeps;
  private readonly context: Context;

  constructor(deps: CollectorDeps, context: Context) {
    this.deps = deps;
    this.context = context;
  }

  /** Deletes the object if nobody owns it any more. Throws to be called again. */
  async attemptToDelete(uid: string, signal: AbortSignal): Promise<void> {
    const node = this.deps.graph.get(uid);
    // One that is on its way out needs nobody, unless it waits for its dependents.
    if (!node || (node.isBeingDeleted && !node.isDeletingDependents)) return;
    const live = await this.read(node.identity, signal);
    if (!live) return this.settleAbsent(node);
    // It exists: its own watch will show it, and what it calls for, in time.
    if (node.isVirtual) return;
    if (node.isDeletingDependents) return this.finishForeground(node, live, signal);
    await this.judge(node, live, signal);
  }

  /** Takes the references to the object from all dependents, then its finalizer. */
  async attemptToOrphan(uid: string, signal: AbortSignal): Promise<void> {
    const node = this.deps.graph.get(uid);
    if (!node) return;
    // The finalizer last: a crash before that repeats the whole, and dependents already freed cost a read each.
    for (const dependent of [...node.dependents]) await this.dropOwners(dependent.identity, [uid], signal);
    await this.removeFinalizer(node.identity, ORPHAN, signal);
  }

  private settleAbsent(node: GraphNode): void {
    const { identity } = node;
    this.absent.add(identity);
    const { graph } = this.deps;
    this.deps.enqueue(node.isVirtual ? graph.confirmAbsent(identity.uid) : graph.remove(identity.uid));
  }

  /** All that must go first is gone: the server may remove the object. Otherwise those are sent on their way. */
  private async finishForeground(node: GraphNode, live: KubeObject, signal: AbortSignal): Promise<void> {
    if (blockingDependents(node).length > 0) {
      const attemptToDelete = [...node.dependents].filter((dependent) => !dependent.isDeletingDependents);
      return this.deps.enqueue({ attemptToDelete, attemptToOrphan: [] });
    }
    if (live.metadata.finalizers?.includes(FOREGROUND)) await this.removeFinalizer(node.identity, FOREGROUND, signal);
  }

  private async judge(node: GraphNode, live: KubeObject, signal: AbortSignal): Promise<void> {
    const references = live.metadata.ownerReferences ?? [];
    const owners: { reference: OwnerReference; state: OwnerState }[] = [];
    for (const reference of references) {
      owners.push({ reference, state: await this.stateOf(reference, node, signal) });
    }
    const plan = planByOwners(owners, live.metadata.finalizers ?? [], node.dependents.size > 0);
    if (plan.action === "keep") return;
    if (plan.action === "dropOwners") return this.dropOwners(node.identity, plan.uids, signal);
    // How it goes is how it was to go before its owners went: an object that was being orphaned still is.
    if (plan.propagationPolicy === "Foreground") await this.breakCycles(node, signal);
    await this.remove(node.identity, live, plan.propagationPolicy, signal);
  }

  private async stateOf(reference: OwnerReference, dependent: GraphNode, signal: AbortSignal): Promise<OwnerState> {
    const identity = identityOfOwner(reference, dependent.identity.namespace);
    // Safe to believe: a UID that was gone once never comes back.
    if (this.absent.has(identity)) return "dangling";
    const ref = this.deps.resourceOf(reference.apiVersion, reference.kind);
    // What is not served may be served again: nobody's dependents are deleted for a missing API.
    if (!ref) throw new Error(`no resource is served for owner kind ${reference.kind} of ${reference.apiVersion}`);
    if (ref.namespaced && !identity.namespace) {
      this.warnOfNamespace(dependent, reference);
      return "dangling";
    }
    const owner = await this.read(identity, signal);
    if (!owner) {
      this.absent.add(identity);
      return "dangling";
    }
    const isWaiting = owner.metadata.deletionTimestamp && owner.metadata.finalizers?.includes(FOREGROUND);
    return isWaiting ? "waiting" : "solid";
  }

  /** Two objects that wait for each other would wait for ever: the dependents' claims to block are given up. */
  private async breakCycles(node: GraphNode, signal: AbortSignal): Promise<void> {
    if (![...node.dependents].some((dependent) => dependent.isDeletingDependents)) return;
    await this.patchMetadata(node.identity, signal, ({ ownerReferences = [] }) => ({
      ownerReferences: ownerReferences.map((reference) => ({ ...reference, blockOwnerDeletion: false })),
    }));
  }

  private async dropOwners(identity: ObjectIdentity, uids: readonly string[], signal: AbortSignal): Promise<void> {
    await this.patchMetadata(identity, signal, ({ ownerReferences = [] }) => {
      const left = ownerReferences.filter((reference) => !uids.includes(reference.uid));
      return left.length === ownerReferences.length ? undefined : { ownerReferences: left };
    });
  }

  private async removeFinalizer(identity: ObjectIdentity, name: string, signal: AbortSignal): Promise<void> {
    await this.patchMetadata(identity, signal, ({ finalizers = [] }) =>
      finalizers.includes(name) ? { finalizers: finalizers.filter((other) => other !== name) } : undefined,
    );
  }

  /** Reads the newest metadata and patches what `change` says, on that version only; a lost race throws, to be tried again. */
  private async patchMetadata(
    identity: ObjectIdentity,
    signal: AbortSignal,
    change: (metadata: KubeObject["metadata"]) => Partial<KubeObject["metadata"]> | undefined,
  ): Promise<void> {
    const live = await this.read(identity, signal);
    const patch = live && change(live.metadata);
    if (!patch) return;
    const { resourceVersion, uid } = live.metadata;
    const body = { metadata: { resourceVersion, uid, ...patch } };
    const { ref, namespace } = this.locate(identity);
    try {
      await this.context.client.of(ref).patch(namespace, identity.name, "merge", body, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  private async remove(
    identity: ObjectIdentity,
    live: KubeObject,
    propagationPolicy: "Background" | "Foreground" | "Orphan",
    signal: AbortSignal,
  ): Promise<void> {
    const { ref, namespace } = this.locate(identity);
    // The version too: owners may have been added since they were read.
    const { uid, resourceVersion } = live.metadata;
    const query = { uid, resourceVersion, propagationPolicy };
    try {
      await this.context.client.of(ref).delete(namespace, identity.name, query, { signal });
      this.context.log.info({ kind: identity.kind, namespace, name: identity.name, propagationPolicy }, "collected");
    } catch (error) {
      if (isNotFound(error)) return;
      if (isConflict(error))
        throw new Error(`${identity.kind} ${identity.name} changed while it was judged`, { cause: error });
      throw error;
    }
  }

  /** The live metadata of exactly that object; undefined when it is gone or another has its name. */
  private async read(identity: ObjectIdentity, signal: AbortSignal): Promise<KubeObject | undefined> {
    const { ref, namespace } = this.locate(identity);
    try {
      const live = await new MetadataClient(this.context.client, ref).get(namespace, identity.name, { signal });
      return live.metadata.uid === identity.uid ? live : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  private locate({ apiVersion, kind, namespace }: ObjectIdentity): { ref: ResourceRef; namespace: string } {
    const ref = this.deps.resourceOf(apiVersion, kind);
    if (!ref) throw new Error(`no resource is served for kind ${kind} of ${apiVersion}`);
    return { ref, namespace: ref.namespaced ? namespace : "" };
  }

  private warnOfNamespace({ identity }: GraphNode, reference: OwnerReference): void {
    const { apiVersion, kind, namespace, name, uid } = identity;
    const { apiVersion: version, kind: ownerKind, name: ownerName, uid: ownerUid } = reference;
    const what = `[${version}/${ownerKind}, namespace: ${namespace}, name: ${ownerName}, uid: ${ownerUid}]`;
    const message = `ownerRef ${what} does not exist in namespace "${namespace}"`;
    this.context.recorder.record(
      { apiVersion, kind, namespace, name, uid },
      "Warning",
      "OwnerRefInvalidNamespace",
      message,
    );
  }
}

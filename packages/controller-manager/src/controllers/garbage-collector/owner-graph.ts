// Who owns whom, as the watches have shown it. A hint only: whatever is deleted is verified live first.
import type { KubeObject } from "@skiff/api/object.ts";
import type { OwnerReference } from "@skiff/api/types.ts";

/** Finalizer (metav1.FinalizerOrphanDependents): the dependents are freed before the object goes. */
export const ORPHAN = "orphan";
/** Finalizer (metav1.FinalizerDeleteDependents): the dependents go before the object does. */
export const FOREGROUND = "foregroundDeletion";

/** Where an object is. The resource is found by discovery, from the kind and API version that references carry. */
export interface ObjectIdentity {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Nodes refer to each other; they change in place as events come. */
export interface GraphNode {
  identity: ObjectIdentity;
  owners: readonly OwnerReference[];
  readonly dependents: Set<GraphNode>;
  /** Known from references to it alone: whether it exists has to be asked. */
  isVirtual: boolean;
  isBeingDeleted: boolean;
  /** In foreground deletion, so its dependents go first. */
  isDeletingDependents: boolean;
}

/** What a change calls for: nodes to look at, and nodes whose dependents are to be orphaned. */
export interface GraphWork {
  readonly attemptToDelete: readonly GraphNode[];
  readonly attemptToOrphan: readonly GraphNode[];
}

const NO_WORK: GraphWork = { attemptToDelete: [], attemptToOrphan: [] };

/**
 * Synchronous and without I/O, so that each event is entered whole. Nodes are found by UID. Upstream's GraphBuilder: events of
 * different resources come in any order, so an owner may be named before it is seen, and seen to go before its dependents are.
 */
export class OwnerGraph {
  private readonly nodes = new Map<string, GraphNode>();

  /** Undefined for an object that nothing has shown or named. */
  get(uid: string): GraphNode | undefined {
    return this.nodes.get(uid);
  }

  /** Objects known and objects only referred to. */
  get size(): number {
    return this.nodes.size;
  }

  /** An object as a watch shows it, new or changed. */
  observe(object: Readonly<KubeObject>): GraphWork {
    const { metadata } = object;
    const identity = identityOf(object);
    const node = this.nodes.get(metadata.uid) ?? this.addNode(identity, false);
    node.identity = identity;
    node.isVirtual = false;
    const toDelete = this.setOwners(node, metadata.ownerReferences ?? []);
    const toOrphan: GraphNode[] = [];
    node.isBeingDeleted = metadata.deletionTimestamp !== undefined;
    const finalizers = node.isBeingDeleted ? (metadata.finalizers ?? []) : [];
    if (finalizers.includes(ORPHAN)) toOrphan.push(node);
    const isForeground = finalizers.includes(FOREGROUND);
    // Also when nothing changed: the pass that should have ended the deletion may have been lost.
    if (isForeground) toDelete.push(...node.dependents, node);
    node.isDeletingDependents = isForeground;
    return { attemptToDelete: toDelete, attemptToOrphan: toOrphan };
  }

  /** An object that is gone. Its dependents may have lost their last owner, its owners their last dependent. */
  remove(uid: string): GraphWork {
    const node = this.nodes.get(uid);
    if (!node) return NO_WORK;
    this.nodes.delete(uid);
    const toDelete = [...node.dependents];
    for (const { uid: ownerUid } of node.owners) {
      const owner = this.nodes.get(ownerUid);
      if (!owner) continue;
      owner.dependents.delete(node);
      if (owner.isDeletingDependents) toDelete.push(owner);
      this.dropIfUnused(owner);
    }
    // Dependents still name the object, so it stays as something to ask for until they are gone.
    if (node.dependents.size > 0) this.readdVirtual(node);
    return { attemptToDelete: toDelete, attemptToOrphan: [] };
  }

  /** A live read showed that a virtual node does not exist. */
  confirmAbsent(uid: string): GraphWork {
    const node = this.nodes.get(uid);
    return node ? { attemptToDelete: [...node.dependents], attemptToOrphan: [] } : NO_WORK;
  }

  /** A resource is no longer served, so its objects will never be seen to go. */
  removeKind(apiVersion: string, kind: string): GraphWork {
    const gone = [...this.nodes.values()].filter(
      ({ identity, isVirtual }) => !isVirtual && identity.apiVersion === apiVersion && identity.kind === kind,
    );
    return {
      attemptToDelete: gone.flatMap((node) => this.remove(node.identity.uid).attemptToDelete),
      attemptToOrphan: [],
    };
  }

  private addNode(identity: ObjectIdentity, isVirtual: boolean): GraphNode {
    const node: GraphNode = {
      identity,
      owners: [],
      dependents: new Set(),
      isVirtual,
      isBeingDeleted: false,
      isDeletingDependents: false,
    };
    this.nodes.set(identity.uid, node);
    return node;
  }

  private readdVirtual(node: GraphNode): void {
    node.isVirtual = true;
    node.owners = [];
    node.isBeingDeleted = false;
    node.isDeletingDependents = false;
    this.nodes.set(node.identity.uid, node);
  }

  /** Enters the references; the answer is what to look at because of owners that came or went. */
  private setOwners(node: GraphNode, owners: readonly OwnerReference[]): GraphNode[] {
    const toDelete: GraphNode[] = [];
    const before = node.owners;
    node.owners = owners;
    for (const reference of owners) {
      const known = this.nodes.get(reference.uid);
      const owner = known ?? this.addNode(identityOfOwner(reference, node.identity.namespace), true);
      owner.dependents.add(node);
      const isNew = !before.some((other) => other.uid === reference.uid);
      // An unknown owner may be unseen yet or long gone; a leaving one must take its new dependent along.
      if (!known || (isNew && owner.isVirtual)) toDelete.push(owner);
      if (isNew && owner.isDeletingDependents) toDelete.push(node);
      // A reference that says something false of an existing owner refers to nothing.
      if (isNew && !owner.isVirtual && !isReferenceTo(reference, node.identity.namespace, owner)) toDelete.push(node);
    }
    for (const { uid } of before) {
      const owner = this.nodes.get(uid);
      if (!owner || owners.some((reference) => reference.uid === uid)) continue;
      owner.dependents.delete(node);
      if (owner.isDeletingDependents) toDelete.push(owner);
      this.dropIfUnused(owner);
    }
    // A dependent that blocks no more may let its owner go.
    for (const reference of owners) {
      const owner = this.nodes.get(reference.uid);
      const old = before.find((other) => other.uid === reference.uid);
      if (owner?.isDeletingDependents && old?.blockOwnerDeletion && !reference.blockOwnerDeletion) toDelete.push(owner);
    }
    return toDelete;
  }

  private dropIfUnused(node: GraphNode): void {
    if (node.isVirtual && node.dependents.size === 0) this.nodes.delete(node.identity.uid);
  }
}

function isReferenceTo(reference: OwnerReference, namespace: string, { identity }: GraphNode): boolean {
  const isInReach = identity.namespace === "" || identity.namespace === namespace;
  return isInReach && identity.name === reference.name && identity.kind === reference.kind;
}

/** Dependents that the deletion of `owner` waits for. */
export function blockingDependents(owner: GraphNode): GraphNode[] {
  return [...owner.dependents].filter((dependent) =>
    dependent.owners.some(({ uid, blockOwnerDeletion }) => uid === owner.identity.uid && blockOwnerDeletion === true),
  );
}

function identityOf({ apiVersion = "", kind = "", metadata }: Readonly<KubeObject>): ObjectIdentity {
  const { namespace = "", name, uid } = metadata;
  return { apiVersion, kind, namespace, name, uid };
}

/** An owner is in the dependent's namespace or in none: which, its resource says. */
export function identityOfOwner({ apiVersion, kind, name, uid }: OwnerReference, namespace: string): ObjectIdentity {
  return { apiVersion, kind, namespace, name, uid };
}

// How deletion goes for an object: grace, finalizers, preconditions. Pure.

import type { FieldError } from "@skiff/api/errors.ts";
import { conflict, invalid } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { formatTime, parseTime } from "@skiff/component-base/clock.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";

/** What becomes of dependents: left alone, deleted after their owner, or deleted before it. */
export type PropagationPolicy = "Orphan" | "Background" | "Foreground";

/** metav1.DeleteOptions after reading. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined;
  readonly propagationPolicy?: PropagationPolicy | undefined;
  readonly orphanDependents?: boolean | undefined;
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
}

/** What a DELETE leads to. Only "remove" takes the object out of etcd at once. */
export type DeletionPlan =
  | { readonly type: "remove" }
  /** The object lives on with a deletionTimestamp. */
  | { readonly type: "mark"; readonly object: KubeObject }
  /** It is on its way already and this request changes nothing. */
  | { readonly type: "unchanged" };

/** What a DELETE does to `object`. It and its metadata are the caller's own copies and may end up in the plan; what is below is only read. */
export function planDeletion(
  kind: StorageKind,
  object: KubeObject,
  options: DeleteOptions,
  nowMs: number,
): DeletionPlan {
  const { metadata } = object;
  const finalizers = finalizersFor(kind, metadata.finalizers ?? [], options);
  const grace = kind.definition.deletionGrace?.(object, options.gracePeriodSeconds) ?? 0;
  const before = metadata.deletionGracePeriodSeconds ?? 0;
  // A second DELETE may shorten the grace (`kubectl delete --now`), never lengthen it: the kubelet is at work already.
  const shortened = metadata.deletionTimestamp !== undefined && grace < before;
  // Namespaces have finalizers in their spec as well.
  if (isNamespace(kind)) return planNamespace(object, finalizers, nowMs);
  if (grace === 0 && finalizers.length === 0) return { type: "remove" };
  const sameFinalizers = finalizers.join() === (metadata.finalizers ?? []).join();
  if (metadata.deletionTimestamp !== undefined && !shortened && sameFinalizers) return { type: "unchanged" };
  setFinalizers(object, finalizers);
  if (metadata.deletionTimestamp === undefined) mark(object, grace, nowMs);
  else if (shortened) shorten(object, before, grace);
  return { type: "mark", object };
}

/** Whether an update took away the last thing that kept a deleted object. */
export function finishesDeletion(kind: StorageKind, next: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = next.metadata;
  if (!deletionTimestamp || (deletionGracePeriodSeconds ?? 0) > 0 || (finalizers?.length ?? 0) > 0) return false;
  return !isNamespace(kind) || namespaceFinalizers(next).length === 0;
}

/** Throws upstream's 409 when the object is not the one that the caller meant. */
export function checkDeletePreconditions(kind: StorageKind, current: StoredObject, options: DeleteOptions): void {
  const { uid } = current.object().metadata;
  // Upstream names the kind here, not the resource.
  const subject = { group: kind.definition.group, plural: kind.definition.kind };
  if (options.uid !== undefined && options.uid !== uid) {
    const why = `the UID in the precondition (${options.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`;
    throw conflict(subject, current.name, why);
  }
  const version = String(current.revision);
  if (options.resourceVersion !== undefined && options.resourceVersion !== version) {
    const wanted = options.resourceVersion;
    const why = `the ResourceVersion in the precondition (${wanted}) does not match the ResourceVersion in record (${version}). The object might have been modified`;
    throw conflict(subject, current.name, why);
  }
}

/** Throws upstream's 422 for options that contradict themselves. */
export function validateDeleteOptions(options: DeleteOptions): void {
  const errors: FieldError[] = [];
  const { propagationPolicy: policy } = options;
  if (options.orphanDependents !== undefined && policy !== undefined) {
    const detail = "orphanDependents and deletionPropagation cannot be both set";
    errors.push({ type: "FieldValueInvalid", field: "propagationPolicy", value: policy, detail });
  }
  if (policy !== undefined && !POLICIES.has(policy)) {
    const detail = 'supported values: "Foreground", "Background", "Orphan", "nil"';
    errors.push({ type: "FieldValueNotSupported", field: "propagationPolicy", value: policy, detail });
  }
  if (errors.length > 0) throw invalid("meta.k8s.io", "DeleteOptions", "", errors);
}

const POLICIES: ReadonlySet<string> = new Set(["Foreground", "Background", "Orphan"]);

/** The finalizers by which the garbage collector learns what to do with dependents. */
function finalizersFor(kind: StorageKind, present: readonly string[], options: DeleteOptions): string[] {
  const { propagationPolicy: policy, orphanDependents } = options;
  const others = present.filter((name) => name !== "orphan" && name !== "foregroundDeletion");
  // What an earlier DELETE asked for stands; else the kind's default counts, which is to
  // orphan for replication controllers and Jobs.
  if (policy === undefined && orphanDependents === undefined) {
    const isDecided = others.length < present.length;
    return kind.definition.orphansDependents && !isDecided ? [...present, "orphan"] : [...present];
  }
  const orphan = orphanDependents === true || policy === "Orphan";
  if (orphan) return [...others, "orphan"];
  return policy === "Foreground" ? [...others, "foregroundDeletion"] : others;
}

function setFinalizers(object: KubeObject, finalizers: string[]): void {
  if (finalizers.length > 0) object.metadata.finalizers = finalizers;
  else delete object.metadata.finalizers;
}

/** deletionTimestamp is when the object shall be gone, so the grace is part of it. The first mark counts as a change. */
function mark(object: KubeObject, grace: number, nowMs: number): void {
  const { metadata } = object;
  metadata.deletionTimestamp = formatTime(nowMs + grace * 1000);
  metadata.deletionGracePeriodSeconds = grace;
  // Kinds without a generation keep none.
  if ((metadata.generation ?? 0) > 0) metadata.generation = (metadata.generation ?? 0) + 1;
}

/** The end moves by as much as the grace shrinks: what has passed of it counts. */
function shorten(object: KubeObject, before: number, grace: number): void {
  const { metadata } = object;
  const end = parseTime(metadata.deletionTimestamp ?? "");
  metadata.deletionTimestamp = formatTime(end - (before - grace) * 1000);
  metadata.deletionGracePeriodSeconds = grace;
}

/** The two fields of a Namespace by which its end is told. */
interface NamespaceParts {
  spec?: { finalizers?: string[] };
  status?: { phase?: string };
}

function isNamespace(kind: StorageKind): boolean {
  return kind.directory === "namespaces";
}

function namespaceFinalizers(object: KubeObject): readonly string[] {
  return (object as KubeObject & NamespaceParts).spec?.finalizers ?? [];
}

/** A namespace stays, Terminating, until its controller has emptied it and taken its finalizer away. */
function planNamespace(object: KubeObject & NamespaceParts, finalizers: string[], nowMs: number): DeletionPlan {
  const empty = namespaceFinalizers(object).length === 0 && finalizers.length === 0;
  if (empty) return { type: "remove" };
  const marked = object.metadata.deletionTimestamp !== undefined;
  const same = finalizers.join() === (object.metadata.finalizers ?? []).join();
  if (marked && same) return { type: "unchanged" };
  setFinalizers(object, finalizers);
  if (!marked) object.metadata.deletionTimestamp = formatTime(nowMs);
  object.status = { ...object.status, phase: "Terminating" };
  return { type: "mark", object };
}

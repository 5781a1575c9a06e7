// Records in metadata.managedFields who owns what an ordinary write changed, and tells real changes from mere new times.
import { isSameOwnership } from "@skiff/api/apply/managed-fields.ts";
import { recordUpdate } from "@skiff/api/apply/record-update.ts";
import { trackingOf } from "@skiff/api/apply/tracking.ts";
import { groupVersion, type KubeObject } from "@skiff/api/object.ts";
import { deepEqual } from "@skiff/api/validation/deep-equal.ts";
import { type Clock, formatTime } from "@skiff/component-base/clock.ts";
import type { StorageKind } from "../storage/stored-object.ts";
import { fromStored } from "./served-version.ts";
import type { WriteOptions } from "./write-options.ts";

/** `next` is defaulted but not yet admitted: what admission and the rules of the kind add belongs to nobody. */
export function recordOwnership(
  clock: Clock,
  kind: StorageKind,
  previous: Readonly<KubeObject> | undefined,
  next: KubeObject,
  { fieldManager, subresource, served = kind.definition }: WriteOptions,
): void {
  if (fieldManager === undefined) return;
  const tracking = trackingOf(kind.definition, subresource, groupVersion(served.group, served.version));
  // Owners own fields of the version that they wrote, not of the one that is stored.
  const before = previous && fromStored(kind, served, previous);
  const after = fromStored(kind, served, next);
  const entries = recordUpdate(tracking, before, after, fieldManager, formatTime(clock.now()));
  if (entries) next.metadata.managedFields = entries;
  else delete next.metadata.managedFields;
}

/** A copy without managedFields that shares all else. */
export function withoutOwners(object: Readonly<KubeObject>): KubeObject {
  const { managedFields: _owners, ...metadata } = object.metadata;
  return { ...object, metadata };
}

/** Whether a write changes nothing: neither the object nor who owns it. Times of owners do not count. */
export function isUnchanged(next: Readonly<KubeObject>, previous: Readonly<KubeObject>): boolean {
  const { resourceVersion: _now, managedFields, ...metadata } = next.metadata;
  const { resourceVersion: _then, managedFields: owners, ...before } = previous.metadata;
  // An apply that changes no value may still make its manager an owner.
  if (!isSameOwnership(managedFields, owners)) return false;
  const { kind, apiVersion } = previous;
  return deepEqual({ ...next, metadata, kind, apiVersion }, { ...previous, metadata: before });
}

// What of a claim may change: it is bound once, and a bound claim may grow.
import type { PersistentVolumeClaim, PersistentVolumeClaimSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities } from "../../quantity.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { immutableField } from "../../validation/field-rules.ts";
import { type FieldPath, forbiddenField, invalidValue, NOT_NEGATIVE, required, root } from "../../validation/path.ts";

/** Growing is asked for by a larger request; whether the class allows it is for admission to say. */
export function validateClaimUpdate(
  next: PersistentVolumeClaim,
  previous: Readonly<PersistentVolumeClaim>,
): FieldError[] {
  const path = root("spec");
  const before = previous.spec ?? {};
  const after = next.spec ?? {};
  const errors: FieldError[] = [];
  if (!deepEqual(comparable(after, before, previous), before)) {
    const detail =
      "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
    errors.push(forbiddenField(path, detail));
  }
  // A request that failed to grow may be taken back, but never below what the volume has.
  const size = after.resources?.requests?.storage ?? "0";
  const capacity = previous.status?.capacity?.storage ?? "0";
  if (
    compareQuantities(size, before.resources?.requests?.storage ?? "0") < 0 &&
    compareQuantities(size, capacity) <= 0
  ) {
    const at = path.child("resources", "requests", "storage");
    errors.push(forbiddenField(at, "field can not be less than status.capacity"));
  }
  errors.push(...immutableField(after.volumeMode, before.volumeMode, path.child("volumeMode")));
  // There is no telling which attributes "none" would mean for a volume that has some.
  if (before.volumeAttributesClassName && after.volumeAttributesClassName === undefined) {
    const at = path.child("volumeAttributesClassName");
    errors.push(forbiddenField(at, "update from non-nil value to nil is forbidden"));
  }
  return errors;
}

/** The new spec without the changes that are allowed. */
function comparable(
  after: PersistentVolumeClaimSpec,
  before: Readonly<PersistentVolumeClaimSpec>,
  { status }: Readonly<PersistentVolumeClaim>,
): PersistentVolumeClaimSpec {
  const spec = { ...after };
  if (!before.volumeName) spec.volumeName = before.volumeName;
  // Claims without a class get the default one as soon as there is one.
  if (before.storageClassName === undefined) spec.storageClassName = undefined;
  if (status?.phase !== "Bound") return spec;
  const storage = before.resources?.requests?.storage;
  if (spec.resources?.requests && storage !== undefined) {
    spec.resources = { ...spec.resources, requests: { ...spec.resources.requests, storage } };
  }
  spec.volumeAttributesClassName = before.volumeAttributesClassName;
  return spec;
}

// How far an expansion has come, first at the storage system and then on the node.
const RESIZE_STATUSES = [
  "ControllerResizeInProgress",
  "ControllerResizeInfeasible",
  "NodeResizePending",
  "NodeResizeInProgress",
  "NodeResizeInfeasible",
];

/** What the volume and resize controllers and kubelets write. */
export function validateClaimStatus({ spec, status }: PersistentVolumeClaim): FieldError[] {
  const path = root("status");
  const errors: FieldError[] = [];
  if (!spec?.accessModes?.length) errors.push(required(root("spec").child("accessModes")));
  errors.push(...quantities(status?.capacity, path.child("capacity")));
  errors.push(...quantities(status?.allocatedResources, path.child("allocatedResources")));
  for (const [resource, state] of Object.entries(status?.allocatedResourceStatuses ?? {})) {
    if (RESIZE_STATUSES.includes(state)) continue;
    errors.push({
      type: "FieldValueNotSupported",
      field: path.child("allocatedResourceStatuses").key(resource).toString(),
      value: state,
      detail: `supported values: ${RESIZE_STATUSES.toSorted()
        .map((word) => JSON.stringify(word))
        .join(", ")}`,
    });
  }
  return errors;
}

/** An error for each negative amount. */
function quantities(list: Readonly<Record<string, string>> | undefined, path: FieldPath): FieldError[] {
  return Object.entries(list ?? {})
    .filter(([, value]) => compareQuantities(value, "0") < 0)
    .map(([resource, value]) => invalidValue(path.key(resource), value, NOT_NEGATIVE));
}

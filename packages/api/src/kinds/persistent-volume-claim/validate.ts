// Whether a claim says how much of what it wants.
import type {
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  TypedObjectReference,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities } from "../../quantity.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { optionalWord } from "../../validation/field-rules.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { isDns1123Subdomain } from "../../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, NOT_POSITIVE, required, root } from "../../validation/path.ts";
import { validateAccessModes } from "../access-modes.ts";

/** Judges a claim; whether a volume for it exists is for the controller to find out. */
export function validateClaim({ spec }: PersistentVolumeClaim): FieldError[] {
  return validateClaimSpec(spec ?? {}, root("spec"));
}

/** Also judges the templates of ephemeral volumes. An empty class name is a choice: volumes without a class only. */
export function validateClaimSpec(spec: PersistentVolumeClaimSpec, path: FieldPath): FieldError[] {
  const { storageClassName, volumeAttributesClassName } = spec;
  const className = path.child("storageClassName");
  const attributes = path.child("volumeAttributesClassName");
  return [
    ...validateLabelSelector(spec.selector, path.child("selector")),
    ...validateAccessModes(spec.accessModes, path.child("accessModes"), "at least 1 access mode is required"),
    ...validateStorage(spec, path.child("resources").key("storage")),
    ...(storageClassName ? invalidAll(className, storageClassName, isDns1123Subdomain(storageClassName)) : []),
    ...optionalWord(spec.volumeMode, ["Block", "Filesystem"], path.child("volumeMode")),
    ...validateDataSources(spec, path),
    ...(volumeAttributesClassName
      ? invalidAll(attributes, volumeAttributesClassName, isDns1123Subdomain(volumeAttributesClassName))
      : []),
  ];
}

/** A claim asks for storage and for nothing else. */
function validateStorage({ resources }: PersistentVolumeClaimSpec, path: FieldPath): FieldError[] {
  const storage = resources?.requests?.storage;
  if (storage === undefined) return [required(path)];
  return compareQuantities(storage, "0") > 0 ? [] : [invalidValue(path, storage, NOT_POSITIVE)];
}

/** Where the volume's first content comes from: another claim, a snapshot, or what a populator knows. */
function validateDataSources(spec: PersistentVolumeClaimSpec, path: FieldPath): FieldError[] {
  const { dataSource, dataSourceRef } = spec;
  const errors = [
    ...(dataSource ? validateSource(dataSource, path.child("dataSource")) : []),
    ...(dataSourceRef ? validateSource(dataSourceRef, path.child("dataSourceRef")) : []),
  ];
  if (!dataSourceRef || dataSourceRef.namespace) {
    const detail = "may not be specified when dataSourceRef.namespace is specified";
    if (dataSourceRef && dataSource) errors.push(invalidValue(path.child("dataSource"), dataSource, detail));
    return errors;
  }
  if (dataSource && !deepEqual({ ...dataSource }, { ...dataSourceRef })) {
    errors.push(invalidValue(path, dataSource, "must match dataSourceRef"));
  }
  return errors;
}

/** Either of the two fields; only the newer one may name a namespace. */
function validateSource(source: TypedObjectReference, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (!source.name) errors.push(required(path.child("name")));
  if (!source.kind) errors.push(required(path.child("kind")));
  // In the core group there is nothing else to copy from.
  if (!source.apiGroup && source.kind !== "PersistentVolumeClaim") {
    const detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
    errors.push(invalidValue(path, source.kind, detail));
  }
  if (source.apiGroup) {
    errors.push(...invalidAll(path.child("apiGroup"), source.apiGroup, isDns1123Subdomain(source.apiGroup)));
  }
  return errors;
}

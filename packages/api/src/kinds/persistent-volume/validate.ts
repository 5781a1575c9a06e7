// Whether a PersistentVolume has a size and exactly one source, and what of it may change.
import type { PersistentVolume, PersistentVolumeSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities } from "../../quantity.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { immutableField, optionalWord } from "../../validation/field-rules.ts";
import { isDns1123Subdomain } from "../../validation/names.ts";
import {
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  NOT_POSITIVE,
  notSupported,
  required,
  root,
} from "../../validation/path.ts";
import { validateAccessModes } from "../access-modes.ts";
import { validateNodeSelector } from "../pod/validate-affinity.ts";
import { sourcesOf, validateVolumeSource } from "./validate-source.ts";

/** Judges a PersistentVolume; its name is part of some sources' paths on the node. */
export function validateVolume({ metadata, spec }: PersistentVolume): FieldError[] {
  return validateVolumeSpec(spec ?? {}, root("spec"), metadata.name ?? "");
}

/** Specs without a `name` stand in a VolumeAttachment, where capacity and class say nothing. */
export function validateVolumeSpec(spec: PersistentVolumeSpec, path: FieldPath, name?: string): FieldError[] {
  const inline = name === undefined;
  return [
    ...(inline ? validateInline(spec, path) : validateOwn(spec, path)),
    ...validateSources(spec, path, name ?? ""),
    ...validateReclaim(spec, path.child("persistentVolumeReclaimPolicy")),
    ...(inline ? [] : validateClass(spec, path)),
  ];
}

/** What a PersistentVolume says of itself, beside its source. */
function validateOwn(spec: PersistentVolumeSpec, path: FieldPath): FieldError[] {
  const policies = ["Delete", "Recycle", "Retain"];
  return [
    ...validateAccessModes(spec.accessModes, path.child("accessModes")),
    ...validateCapacity(spec, path.child("capacity")),
    ...optionalWord(spec.persistentVolumeReclaimPolicy, policies, path.child("persistentVolumeReclaimPolicy")),
    ...validateNodeAffinity(spec, path.child("nodeAffinity")),
  ];
}

/** The rules of a spec that belongs to no PersistentVolume. */
function validateInline(spec: PersistentVolumeSpec, path: FieldPath): FieldError[] {
  const detail = "may not be specified in the context of inline volumes";
  const forbidden = ["claimRef", "capacity", "storageClassName", "mountOptions", "volumeMode"] as const;
  const set = forbidden.filter((field) => field !== "volumeMode" && spec[field] !== undefined);
  return [
    ...set.map((field) => forbiddenField(path.child(field), detail)),
    ...validateAccessModes(spec.accessModes, path.child("accessModes")),
    ...validateNodeAffinity(spec, path.child("nodeAffinity")),
  ];
}

/** Storage, and nothing else so far. */
function validateCapacity({ capacity }: PersistentVolumeSpec, path: FieldPath): FieldError[] {
  const resources = Object.keys(capacity ?? {});
  // Upstream goes on: no capacity is also not the one of storage.
  const errors: FieldError[] = resources.length === 0 ? [required(path)] : [];
  if (!capacity?.storage || resources.length > 1) errors.push(notSupported(path, capacity ?? null, ["storage"]));
  for (const resource of resources) {
    const amount = capacity?.[resource] ?? "0";
    if (compareQuantities(amount, "0") <= 0) errors.push(invalidValue(path.key(resource), amount, NOT_POSITIVE));
  }
  return errors;
}

/** The nodes from which the volume can be reached; the scheduler reads it for every pod that uses the claim. */
function validateNodeAffinity({ nodeAffinity, local }: PersistentVolumeSpec, path: FieldPath): FieldError[] {
  // A local volume is on one node, and its pods have to be scheduled there.
  if (!nodeAffinity) return local ? [required(path, "Local volume requires node affinity")] : [];
  if (!nodeAffinity.required) return [required(path.child("required"), "must specify required node constraints")];
  return validateNodeSelector(nodeAffinity.required, path.child("required"));
}

/** Exactly one of the sources, in upstream's order of looking. */
function validateSources(spec: PersistentVolumeSpec, path: FieldPath, name: string): FieldError[] {
  const [first, ...others] = sourcesOf(spec);
  if (!first) return [required(path, "must specify a volume type")];
  return [
    ...validateVolumeSource(spec, first, path.child(first), name),
    ...others.map((other) => {
      // Spelt so by upstream.
      const field = other === "cephfs" ? "cephFS" : other;
      return forbiddenField(path.child(field), "may not specify more than 1 volume type");
    }),
  ];
}

function validateReclaim(spec: PersistentVolumeSpec, path: FieldPath): FieldError[] {
  // Recycling deletes all files, here those of the whole node.
  if (spec.hostPath?.path !== "/" || spec.persistentVolumeReclaimPolicy !== "Recycle") return [];
  return [forbiddenField(path, "may not be 'recycle' for a hostPath mount of '/'")];
}

/** No class is a class of its own: such volumes bind to claims that ask for none. */
function validateClass(spec: PersistentVolumeSpec, path: FieldPath): FieldError[] {
  const { storageClassName: name, volumeAttributesClassName: attributes } = spec;
  const errors = [
    ...(name ? invalidAll(path.child("storageClassName"), name, isDns1123Subdomain(name)) : []),
    ...optionalWord(spec.volumeMode, ["Block", "Filesystem"], path.child("volumeMode")),
  ];
  if (attributes === undefined) return errors;
  const at = path.child("volumeAttributesClassName");
  if (!attributes) return [...errors, required(at, "an empty string is disallowed")];
  errors.push(...invalidAll(at, attributes, isDns1123Subdomain(attributes)));
  if (!spec.csi) errors.push(required(path.child("csi"), "has to be specified when using volumeAttributesClassName"));
  return errors;
}

/** Pods may have the volume mounted: what it is stays, and size and policy may change. */
export function validateVolumeUpdate(next: PersistentVolume, previous: Readonly<PersistentVolume>): FieldError[] {
  const path = root("spec");
  const after = next.spec ?? {};
  const before = previous.spec ?? {};
  const errors: FieldError[] = [];
  const sources = new Set([...sourcesOf(after), ...sourcesOf(before)]);
  if ([...sources].some((name) => !sameSource(after, before, name))) {
    const detail = "spec.persistentvolumesource is immutable after creation";
    errors.push(forbiddenField(path.child("persistentvolumesource"), detail));
  }
  errors.push(...immutableField(after.volumeMode, before.volumeMode, path.child("volumeMode")));
  if (before.nodeAffinity && !deepEqual(after.nodeAffinity, before.nodeAffinity)) {
    errors.push(...immutableField(after.nodeAffinity, before.nodeAffinity, root("nodeAffinity")));
  }
  return errors;
}

/** The secret for expanding a CSI volume may be named later. */
function sameSource(
  after: PersistentVolumeSpec,
  before: Readonly<PersistentVolumeSpec>,
  name: keyof PersistentVolumeSpec,
): boolean {
  if (name !== "csi" || !after.csi || !before.csi || before.csi.controllerExpandSecretRef) {
    return deepEqual(after[name], before[name]);
  }
  return deepEqual({ ...after.csi, controllerExpandSecretRef: undefined }, before.csi);
}

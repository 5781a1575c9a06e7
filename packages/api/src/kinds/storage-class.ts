// StorageClass: how volumes are made for claims that name the class.

import type { StorageClass, TopologySelectorTerm } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { storageClasses } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { immutableField, requiredWord } from "../validation/field-rules.ts";
import { isLabelValue, isQualifiedName } from "../validation/names.ts";
import { validateLabelName } from "../validation/object-meta.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  required,
  root,
  tooLong,
} from "../validation/path.ts";
import { ageColumn, column } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";

// Upstream's bounds: parameters are handed to the driver with every call.
const MAX_PARAMETERS = 512;
const MAX_PARAMETER_BYTES = 256 * 1024;

/** Volumes have been made by it: all but the topologies, mount options and expansion is immutable. */
export const storageClassKind = defineKind<StorageClass>({
  ref: storageClasses,
  otherVersions: [sameAs("v1beta1", "V1beta1StorageClass", "v1.19", "v1.22")],
  shortNames: ["sc"],
  applyDefaults(storage) {
    storage.reclaimPolicy ??= "Delete";
    // WaitForFirstConsumer lets the scheduler pick the node first, and the volume is made where the pod goes.
    storage.volumeBindingMode ??= "Immediate";
  },
  validate: (storage) => [
    ...validateProvisioner(storage.provisioner, root("provisioner")),
    ...validateParameters(storage.parameters, root("parameters")),
    ...(storage.reclaimPolicy ? requiredWord(storage.reclaimPolicy, ["Delete", "Retain"], root("reclaimPolicy")) : []),
    ...requiredWord(storage.volumeBindingMode, ["Immediate", "WaitForFirstConsumer"], root("volumeBindingMode")),
    ...validateTopologies(storage.allowedTopologies ?? [], root("allowedTopologies")),
  ],
  validateUpdate,
  columns: [
    column("Name", ["ObjectMeta", "name"], (s) => nameWithDefault(s, "storageclass"), { format: "name" }),
    column("Provisioner", ["StorageClass", "provisioner"], ({ provisioner }) => provisioner),
    column("ReclaimPolicy", ["StorageClass", "reclaimPolicy"], ({ reclaimPolicy }) => reclaimPolicy ?? "Delete"),
    column(
      "VolumeBindingMode",
      ["StorageClass", "volumeBindingMode"],
      ({ volumeBindingMode }) => volumeBindingMode ?? "Immediate",
    ),
    column(
      "AllowVolumeExpansion",
      ["StorageClass", "allowVolumeExpansion"],
      ({ allowVolumeExpansion }) => allowVolumeExpansion ?? false,
    ),
    ageColumn,
  ],
});

/** `standard (default)` */
export function nameWithDefault({ metadata }: Pick<StorageClass, "metadata">, resource: string): string {
  const annotations = metadata.annotations ?? {};
  const keys = [`${resource}.kubernetes.io/is-default-class`, `${resource}.beta.kubernetes.io/is-default-class`];
  return keys.some((key) => annotations[key] === "true") ? `${metadata.name} (default)` : metadata.name;
}

/** A driver's name, whose upper case is allowed. */
function validateProvisioner(provisioner: string, path: FieldPath): FieldError[] {
  if (!provisioner) return [required(path)];
  const name = provisioner.toLowerCase();
  return invalidAll(path, provisioner, isQualifiedName(name));
}

/** Also judges VolumeAttributesClasses. Keys and values mean something to the driver alone. */
export function validateParameters(
  parameters: Readonly<Record<string, string>> | undefined,
  path: FieldPath,
): FieldError[] {
  const entries = Object.entries(parameters ?? {});
  if (entries.length > MAX_PARAMETERS) return [tooLong(path, MAX_PARAMETERS)];
  const bytes = entries.reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0);
  const errors = entries.some(([key]) => key === "") ? [invalidValue(path, "", "field can not be empty.")] : [];
  return bytes > MAX_PARAMETER_BYTES ? [...errors, tooLong(path, MAX_PARAMETER_BYTES)] : errors;
}

/** Where volumes of the class may be made; terms are alternatives. */
function validateTopologies(terms: readonly TopologySelectorTerm[], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, term] of terms.entries()) {
    errors.push(...validateTopologyTerm(term, path.index(i).child("matchLabelExpressions")));
    // A term of nothing repeats the empty place that upstream keeps for each.
    const isEmpty = !term.matchLabelExpressions?.length;
    if (isEmpty || terms.slice(0, i).some((earlier) => deepEqual(earlier, term))) {
      errors.push(duplicate(path.index(i).child("matchLabelExpressions"), ""));
    }
  }
  return errors;
}

/** Each key once, with values that are labels' of nodes. */
function validateTopologyTerm({ matchLabelExpressions = [] }: TopologySelectorTerm, path: FieldPath): FieldError[] {
  const keys = new Set<string>();
  return matchLabelExpressions.flatMap(({ key, values }, i) => {
    const at = path.index(i);
    const errors = validateLabelName(key, at.child("key"));
    if (keys.has(key)) errors.push(duplicate(at.child("key"), key));
    keys.add(key);
    if (!values?.length) errors.push(required(at.child("values")));
    const seen = new Set<string>();
    for (const [j, value] of (values ?? []).entries()) {
      const where = at.child("values").index(j);
      if (seen.has(value)) errors.push(duplicate(where, value));
      seen.add(value);
      errors.push(...invalidAll(where, value, isLabelValue(value)));
    }
    return errors;
  });
}

/** Upstream has a sentence of its own for each field. */
function validateUpdate(next: StorageClass, previous: Readonly<StorageClass>): FieldError[] {
  const errors: FieldError[] = [];
  if (!deepEqual(next.parameters ?? {}, previous.parameters ?? {})) {
    errors.push(forbiddenField(root("parameters"), "updates to parameters are forbidden."));
  }
  if (next.provisioner !== previous.provisioner) {
    errors.push(forbiddenField(root("provisioner"), "updates to provisioner are forbidden."));
  }
  if (next.reclaimPolicy !== previous.reclaimPolicy) {
    errors.push(forbiddenField(root("reclaimPolicy"), "updates to reclaimPolicy are forbidden."));
  }
  return [...errors, ...immutableField(next.volumeBindingMode, previous.volumeBindingMode, root("volumeBindingMode"))];
}

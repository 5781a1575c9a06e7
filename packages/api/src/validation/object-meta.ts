// The checks of metadata that all kinds share, on creation and on update.
import type { ManagedFieldsEntry, ObjectMeta, OwnerReference } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { deepEqual } from "./deep-equal.ts";
import { isDns1123Label, isLabelValue, isQualifiedName } from "./names.ts";
import {
  allErrors,
  type FieldPath,
  forbiddenField,
  IMMUTABLE,
  invalidAll,
  invalidValue,
  itemErrors,
  NOT_NEGATIVE,
  required,
  tooLong,
} from "./path.ts";

/** What of a kind its metadata depends on. */
export interface MetaRules {
  readonly namespaced: boolean;
  validateName(name: string): string[];
}

/** Judges the metadata of a new object whose generated name has been filled in. */
export function validateObjectMeta(kind: MetaRules, meta: Readonly<ObjectMeta>, path: FieldPath): FieldError[] {
  return allErrors(
    validateNames(kind, meta, path),
    validateNamespace(kind, meta.namespace, path.child("namespace")),
    (meta.generation ?? 0) < 0 ? [invalidValue(path.child("generation"), meta.generation, NOT_NEGATIVE)] : [],
    validateCommon(meta, path),
  );
}

/** Judges what an update did to metadata: identity stays, new finalizers end with deletion. */
export function validateObjectMetaUpdate(
  next: Readonly<ObjectMeta>,
  previous: Readonly<ObjectMeta>,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  if (previous.deletionTimestamp) errors.push(...validateNoNewFinalizers(next, previous, path.child("finalizers")));
  if (!next.resourceVersion) {
    errors.push(invalidValue(path.child("resourceVersion"), "", "must be specified for an update"));
  }
  if ((next.generation ?? 0) < (previous.generation ?? 0)) {
    errors.push(invalidValue(path.child("generation"), next.generation ?? 0, "must not be decremented"));
  }
  for (const field of IDENTITY) {
    if (!deepEqual(next[field], previous[field])) {
      errors.push(invalidValue(path.child(field), next[field] ?? null, IMMUTABLE));
    }
  }
  return [...errors, ...validateCommon(next, path)];
}

// A UID and a creation time make an object this one and not a later one of the same name. Deletion has its own verb.
const IDENTITY = [
  "name",
  "namespace",
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
] as const satisfies readonly (keyof ObjectMeta)[];

/** Every key and value by itself; also for node selectors and the `matchLabels` of selectors. */
export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const key in labels) {
    const value = labels[key] ?? "";
    // Objects may have very many, and hardly ever is one wrong.
    const wrongKey = isQualifiedName(key);
    if (wrongKey.length > 0) errors.push(...invalidAll(path, key, wrongKey));
    const wrongValue = isLabelValue(value);
    if (wrongValue.length > 0) errors.push(...invalidAll(path, value, wrongValue));
  }
  return errors;
}

/** A label's key, with or without a domain before it. */
export function validateLabelName(name: string, path: FieldPath): FieldError[] {
  return invalidAll(path, name, isQualifiedName(name));
}

/** Values are any text; the sum of all keys and values is bounded. */
export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const key in annotations) {
    // Keys are qualified names in which case does not matter.
    const wrong = isQualifiedName(key.toLowerCase());
    if (wrong.length > 0) errors.push(...invalidAll(path, key, wrong));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(annotations[key] ?? "");
  }
  if (bytes > MAX_ANNOTATIONS_BYTES) errors.push(tooLong(path, MAX_ANNOTATIONS_BYTES));
  return errors;
}

// 256 KiB, which `kubectl apply` reaches first: it keeps the whole manifest in one annotation.
const MAX_ANNOTATIONS_BYTES = 256 * 1024;

function validateNames(kind: MetaRules, meta: Readonly<ObjectMeta>, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (meta.generateName) {
    // Five characters follow the prefix, so a dash may end it.
    const prefix = meta.generateName.endsWith("-") ? `${meta.generateName.slice(0, -1)}a` : meta.generateName;
    errors.push(...invalidAll(path.child("generateName"), meta.generateName, kind.validateName(prefix)));
  }
  if (!meta.name) return [...errors, required(path.child("name"), "name or generateName is required")];
  return [...errors, ...invalidAll(path.child("name"), meta.name, kind.validateName(meta.name))];
}

/** A namespace is a DNS label, and objects outside of namespaces must not name one. */
function validateNamespace(kind: MetaRules, namespace: string | undefined, path: FieldPath): FieldError[] {
  if (!kind.namespaced) return namespace ? [forbiddenField(path, "not allowed on this type")] : [];
  return namespace ? invalidAll(path, namespace, isDns1123Label(namespace)) : [required(path)];
}

function validateCommon(meta: Readonly<ObjectMeta>, path: FieldPath): FieldError[] {
  return allErrors(
    validateLabels(meta.labels, path.child("labels")),
    validateAnnotations(meta.annotations, path.child("annotations")),
    validateOwnerReferences(meta.ownerReferences ?? [], path.child("ownerReferences")),
    validateFinalizers(meta.finalizers ?? [], path.child("finalizers")),
    validateManagedFields(meta.managedFields ?? [], path.child("managedFields")),
  );
}

/** An object may have many owners, for garbage collection, and one controller, which acts for it. */
function validateOwnerReferences(references: readonly OwnerReference[], path: FieldPath): FieldError[] {
  const errors = itemErrors(references, (reference) => validateOwnerReference(reference, path));
  const [first, ...others] = references.filter((r) => r.controller).map((r) => `${r.kind}/${r.name}`);
  for (const other of others) {
    const detail = `Only one reference can have Controller set to true. Found "true" in references for ${first} and ${other}`;
    errors.push(invalidValue(path, references, detail));
  }
  return errors;
}

function validateOwnerReference(reference: OwnerReference, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const version = reference.apiVersion ?? "";
  // More than one slash is no group and version at all.
  if (!version || version.split("/").length > 2 || version.endsWith("/")) {
    errors.push(invalidValue(path.child("apiVersion"), version, "version must not be empty"));
  }
  for (const field of ["kind", "name", "uid"] as const) {
    if (!reference[field]) errors.push(invalidValue(path.child(field), "", "must not be empty"));
  }
  // Events vanish by themselves, and would take what they own with them.
  if (version === "v1" && reference.kind === "Event") {
    errors.push(invalidValue(path, reference, "/v1, Kind=Event is disallowed from being an owner"));
  }
  return errors;
}

/** Finalizers without a domain of their own are Kubernetes' and few. */
const STANDARD_FINALIZERS: ReadonlySet<string> = new Set(["kubernetes", "orphan", "foregroundDeletion"]);

function validateFinalizers(finalizers: readonly string[], path: FieldPath): FieldError[] {
  const errors = itemErrors(finalizers, (name) => invalidAll(path, name, isQualifiedName(name)));
  // One keeps the dependents, the other deletes them first.
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion")) {
    const detail = "finalizer orphan and foregroundDeletion cannot be both set";
    errors.push(invalidValue(path, finalizers, detail));
  }
  for (const [i, name] of finalizers.entries()) {
    if (name.includes("/") || STANDARD_FINALIZERS.has(name)) continue;
    const detail = "name is neither a standard finalizer name nor is it fully qualified";
    errors.push(invalidValue(path.index(i), name, detail));
  }
  return errors;
}

/** Deletion waits for a list that only gets shorter, or it might never end. */
function validateNoNewFinalizers(next: Readonly<ObjectMeta>, previous: Readonly<ObjectMeta>, path: FieldPath) {
  const known = new Set(previous.finalizers);
  const added = [...new Set(next.finalizers)].filter((name) => !known.has(name)).sort();
  if (added.length === 0) return [];
  const list = `[]string{${added.map((name) => JSON.stringify(name)).join(", ")}}`;
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`;
  return [forbiddenField(path, detail)];
}

/** The sets of fields themselves are judged where they are read. */
function validateManagedFields(entries: readonly ManagedFieldsEntry[], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, entry] of entries.entries()) {
    const at = path.index(i);
    if (entry.operation !== "Apply" && entry.operation !== "Update") {
      errors.push(invalidValue(at.child("operation"), entry.operation ?? "", "must be `Apply` or `Update`"));
    }
    if (entry.fieldsType && entry.fieldsType !== "FieldsV1") {
      errors.push(invalidValue(at.child("fieldsType"), entry.fieldsType, "must be `FieldsV1`"));
    }
    errors.push(...validateFieldManager(entry.manager ?? "", at.child("manager")));
    if ((entry.subresource ?? "").length > 256) errors.push(tooLong(at.child("subresource"), 256));
  }
  return errors;
}

/** The name of who writes, in a request or in managedFields. */
export function validateFieldManager(name: string, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (Buffer.byteLength(name) > 128) errors.push(tooLong(path, 128));
  const bad = UNPRINTABLE_RE.exec(name);
  if (bad) {
    const code = (bad[0].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
    errors.push(invalidValue(path, name, `invalid character U+${code} (at position ${bad.index})`));
  }
  return errors;
}

// Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the plain space.
const UNPRINTABLE_RE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

// Environment variables: their names, and the places their values may come from.
import type {
  ConfigMapKeySelector,
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  FileKeySelector,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities } from "../../quantity.ts";
import { isConfigMapKey, isDns1123Subdomain, isEnvVarName, isQualifiedName } from "../../validation/names.ts";
import {
  allErrors,
  type FieldPath,
  invalidAll,
  invalidValue,
  itemErrors,
  notSupported,
  required,
} from "../../validation/path.ts";

/**
 * Checks `env`. Duplicate names are allowed, as upstream has it: the last one wins in the container. References to
 * other variables, `$(NAME)`, are not checked either: what does not resolve is left as it is written.
 */
export function validateEnv(variables: readonly EnvVar[], path: FieldPath): FieldError[] {
  return itemErrors(variables, (variable, i) => {
    const at = path.index(i);
    const name = variable.name ?? "";
    const errors = name ? invalidAll(at.child("name"), name, isEnvVarName(name)) : [required(at.child("name"))];
    return [...errors, ...validateSource(variable, at.child("valueFrom"))];
  });
}

const SOURCES = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";

function validateSource({ value, valueFrom }: EnvVar, path: FieldPath): FieldError[] {
  if (!valueFrom) return [];
  const errors = validateReferences(valueFrom, path);
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = valueFrom;
  const sources = [fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef].filter(Boolean).length;
  if (sources === 0) errors.push(invalidValue(path, "", `must specify one of: ${SOURCES}`));
  // A value of "" beside a source is what clients write that always send the field.
  else if (value) errors.push(invalidValue(path, "", "may not be specified when `value` is not empty"));
  else if (sources > 1) errors.push(invalidValue(path, "", "may not have more than one field specified at a time"));
  return errors;
}

function validateReferences(from: EnvVarSource, path: FieldPath): FieldError[] {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = from;
  return allErrors(
    fieldRef ? validateFieldRef(fieldRef, ENV_FIELDS, path.child("fieldRef")) : [],
    resourceFieldRef ? validateResourceFieldRef(resourceFieldRef, false, path.child("resourceFieldRef")) : [],
    configMapKeyRef ? validateKeyRef(configMapKeyRef, path.child("configMapKeyRef")) : [],
    secretKeyRef ? validateKeyRef(secretKeyRef, path.child("secretKeyRef")) : [],
    fileKeyRef ? validateFileKeyRef(fileKeyRef, path.child("fileKeyRef")) : [],
  );
}

function validateKeyRef({ name, key }: ConfigMapKeySelector, path: FieldPath): FieldError[] {
  // An empty name is reported as malformed, not as missing.
  const errors = invalidAll(path.child("name"), name ?? "", isDns1123Subdomain(name ?? ""));
  if (!key) return [...errors, required(path.child("key"))];
  return [...errors, ...invalidAll(path.child("key"), key, isConfigMapKey(key))];
}

/** A variable out of a file that an init container wrote into an emptyDir volume. */
function validateFileKeyRef(ref: FileKeySelector, path: FieldPath): FieldError[] {
  const fields = ["volumeName", "path", "key"] as const;
  const errors = fields.filter((field) => !ref[field]).map((field) => required(path.child(field)));
  if (ref.key) errors.push(...invalidAll(path.child("key"), ref.key, isEnvVarName(ref.key)));
  return errors;
}

/** Checks `envFrom`: every key of a ConfigMap or Secret becomes a variable, with the prefix before it. */
export function validateEnvFrom(sources: readonly EnvFromSource[], path: FieldPath): FieldError[] {
  return itemErrors(sources, ({ prefix, configMapRef, secretRef }, i) => {
    const at = path.index(i);
    const errors = prefix ? invalidAll(at.child("prefix"), prefix, isEnvVarName(prefix)) : [];
    if (configMapRef) errors.push(...validateObjectName(configMapRef.name, at.child("configMapRef", "name")));
    if (secretRef) errors.push(...validateObjectName(secretRef.name, at.child("secretRef", "name")));
    if (!configMapRef && !secretRef) {
      errors.push(invalidValue(path, "", "must specify one of: `configMapRef` or `secretRef`"));
    } else if (configMapRef && secretRef) {
      errors.push(invalidValue(path, "", "may not have more than one field specified at a time"));
    }
    return errors;
  });
}

function validateObjectName(name: string | undefined, path: FieldPath): FieldError[] {
  return name ? invalidAll(path, name, isDns1123Subdomain(name)) : [required(path)];
}

// Labels and annotations are missing here on purpose: as whole maps they make files, not variables.
const ENV_FIELDS = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];

/** What downward API volumes may show. */
export const VOLUME_FIELDS = [
  "metadata.annotations",
  "metadata.labels",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
];

/** Fields that the conversion of downward API labels knows at all. */
const KNOWN_FIELDS: ReadonlySet<string> = new Set([
  ...ENV_FIELDS,
  ...VOLUME_FIELDS,
  "spec.restartPolicy",
  "spec.schedulerName",
  "status.phase",
]);

// `metadata.labels['app']`: one label or annotation, which variables may show too.
const SUBSCRIPT_RE = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/s;

/** Checks a reference to a field of the pod itself; `valid` are the paths that its place may show. */
export function validateFieldRef(ref: ObjectFieldSelector, valid: readonly string[], path: FieldPath): FieldError[] {
  if (!ref.apiVersion) return [required(path.child("apiVersion"))];
  const at = path.child("fieldPath");
  if (!ref.fieldPath) return [required(at)];
  if (ref.apiVersion !== "v1") {
    return [invalidValue(at, ref.fieldPath, `error converting fieldPath: unsupported pod version: ${ref.apiVersion}`)];
  }
  const subscript = SUBSCRIPT_RE.exec(ref.fieldPath);
  if (subscript) {
    const key = subscript[2] ?? "";
    // Annotation keys may be upper case.
    const name = subscript[1] === "metadata.annotations" ? key.toLowerCase() : key;
    return invalidAll(path, key, isQualifiedName(name));
  }
  if (!KNOWN_FIELDS.has(ref.fieldPath)) {
    return [invalidValue(at, ref.fieldPath, `error converting fieldPath: field label not supported: ${ref.fieldPath}`)];
  }
  return valid.includes(ref.fieldPath) ? [] : [notSupported(at, ref.fieldPath, valid)];
}

// The downward API shows what a container was given of these, and of huge pages, and of nothing else.
const RESOURCE_FIELDS = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];
const HUGEPAGES_RE = /^(?:limits|requests)\.hugepages-/;
// The value is divided by the unit and rounded up, so that only round units make sense.
const UNITS = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/** A variable's own container is meant where none is named; a volume belongs to the pod and has to name one. */
export function validateResourceFieldRef(ref: ResourceFieldSelector, volume: boolean, path: FieldPath): FieldError[] {
  if (volume && !ref.containerName) return [required(path.child("containerName"))];
  if (!ref.resource) return [required(path.child("resource"))];
  if (!RESOURCE_FIELDS.includes(ref.resource) && !HUGEPAGES_RE.test(ref.resource)) {
    return [notSupported(path.child("resource"), ref.resource, RESOURCE_FIELDS)];
  }
  return validateDivisor(ref.resource, ref.divisor ?? "0", path.child("divisor"));
}

function validateDivisor(resource: string, divisor: string, path: FieldPath): FieldError[] {
  // Zero stands for one.
  if (compareQuantities(divisor, "0") === 0) return [];
  const name = resource.slice(resource.indexOf(".") + 1);
  const units = name === "cpu" ? ["1m", "1"] : UNITS;
  if (units.some((unit) => compareQuantities(unit, divisor) === 0)) return [];
  // The wording follows upstream's, which has one sentence for each resource.
  const list = name === "cpu" ? "1m and 1" : units.join(", ");
  const kind =
    name === "memory" || name === "cpu" ? name : name === "ephemeral-storage" ? "local ephemeral storage" : "hugepages";
  return [invalidValue(path, resource, `only divisor's values ${list} are supported with the ${kind} resource`)];
}

// Whether a CustomResourceDefinition names its kind and versions well, and what of it may change.
import type {
  CustomResourceColumnDefinition,
  CustomResourceConversion,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
} from "../../../generated/types.ts";
import { isConditionTrue } from "../../conditions.ts";
import type { FieldError } from "../../errors.ts";
import { immutableField, requiredWord } from "../../validation/field-rules.ts";
import { isDns1035Label, isDns1123Subdomain } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  invalidAll,
  invalidValue,
  notSupported,
  required,
  root,
  tooMany,
} from "../../validation/path.ts";
import { validateClientConfig } from "../admission/validate-client-config.ts";
import { validateSchema } from "./validate-schema.ts";

// What `additionalPrinterColumns` may be; a date is shown as an age.
const COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
// The versions of ConversionReview that the server can send to a webhook.
const REVIEW_VERSIONS = ["v1", "v1beta1"];
// Each is computed for every object of a list or watch that selects by fields.
const MAX_SELECTABLE_FIELDS = 8;

/** The name `PLURAL.GROUP` makes two definitions of one resource impossible. Answers 422. */
export function validateDefinition({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  const path = root("spec");
  const expected = `${spec.names?.plural ?? ""}.${spec.group ?? ""}`;
  const errors: FieldError[] = [];
  if (metadata.name !== expected) {
    errors.push(
      invalidValue(root("metadata").child("name"), metadata.name, 'must be spec.names.plural+"."+spec.group'),
    );
  }
  return [...errors, ...validateSpec(spec, path)];
}

function validateSpec(spec: CustomResourceDefinitionSpec, path: FieldPath): FieldError[] {
  return [
    ...validateGroup(spec.group ?? "", path.child("group")),
    ...requiredWord(spec.scope, ["Cluster", "Namespaced"], path.child("scope")),
    ...validateVersions(spec.versions ?? [], path.child("versions")),
    ...validateNames(spec.names, path.child("names")),
    ...validatePreserve(spec, path.child("preserveUnknownFields")),
    ...validateConversion(spec.conversion, path.child("conversion")),
  ];
}

/** The group becomes a path of the API and half of the definition's name. */
function validateGroup(group: string, path: FieldPath): FieldError[] {
  if (!group) return [required(path)];
  const wrong = isDns1123Subdomain(group);
  if (wrong.length > 0) return [invalidValue(path, group, wrong.join(","))];
  // Groups without a dot are Kubernetes' own.
  return group.includes(".") ? [] : [invalidValue(path, group, "should be a domain with at least one dot")];
}

/** v1beta1 let a whole definition keep unknown fields; v1 wants each schema to say where. */
function validatePreserve({ preserveUnknownFields }: CustomResourceDefinitionSpec, path: FieldPath): FieldError[] {
  if (!preserveUnknownFields) return [];
  const detail =
    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
  return [invalidValue(path, true, detail)];
}

/** Several versions may be served, and one alone is stored. */
function validateVersions(versions: readonly CustomResourceDefinitionVersion[], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, version] of versions.entries()) {
    const at = path.index(i);
    if (seen.has(version.name)) errors.push(duplicate(at.child("name"), version.name));
    seen.add(version.name);
    errors.push(...validateVersion(version, at));
  }
  // Objects lie in etcd in one version and are converted from there to those that are served.
  if (versions.filter(({ storage }) => storage).length !== 1) {
    errors.push(invalidValue(path, versions, "must have exactly one version marked as storage version"));
  }
  return errors;
}

function validateVersion(version: CustomResourceDefinitionVersion, path: FieldPath): FieldError[] {
  const wrong = isDns1035Label(version.name ?? "");
  const errors = wrong.length > 0 ? [invalidValue(path.child("name"), version.name ?? "", wrong.join(","))] : [];
  const warning = version.deprecationWarning;
  if (warning !== undefined) {
    const at = path.child("deprecationWarning");
    if (!version.deprecated) errors.push(invalidValue(at, warning, "can only be set for deprecated versions"));
    // Sent in a header of every answer in that version.
    if (Buffer.byteLength(warning) > 256) errors.push(invalidValue(at, warning, "must be <= 256 characters long"));
    if (warning === "") errors.push(invalidValue(at, warning, "must not be an empty string"));
  }
  const schema = version.schema?.openAPIV3Schema;
  const schemaPath = path.child("schema", "openAPIV3Schema");
  errors.push(...(schema ? validateSchema(schema, schemaPath) : [required(schemaPath, "schemas are required")]));
  errors.push(...validateSubresources(version.subresources, path.child("subresources")));
  for (const [i, one] of (version.additionalPrinterColumns ?? []).entries()) {
    errors.push(...validateColumn(one, path.child("additionalPrinterColumns").index(i)));
  }
  return [...errors, ...validateSelectable(version, path.child("selectableFields"))];
}

/** Fields that `kubectl get --field-selector` may ask for, beside name and namespace. */
function validateSelectable(version: CustomResourceDefinitionVersion, path: FieldPath): FieldError[] {
  const fields = version.selectableFields ?? [];
  const errors: FieldError[] = [];
  if (fields.length > MAX_SELECTABLE_FIELDS) errors.push(tooMany(path, fields.length, MAX_SELECTABLE_FIELDS));
  const seen = new Set<string>();
  for (const [i, { jsonPath }] of fields.entries()) {
    const at = path.index(i).child("jsonPath");
    if (!jsonPath) errors.push(required(at));
    else if (!isSimplePath(jsonPath))
      errors.push(invalidValue(at, jsonPath, "is an invalid path: does not point to a valid field"));
    if (jsonPath && seen.has(jsonPath)) errors.push(duplicate(at, jsonPath));
    seen.add(jsonPath);
  }
  return errors;
}

/** A column of `kubectl get`; priority 0 is always shown, greater ones with `-o wide`. */
function validateColumn(column: CustomResourceColumnDefinition, path: FieldPath): FieldError[] {
  const errors: FieldError[] = column.name ? [] : [required(path.child("name"))];
  if (!column.type) errors.push(required(path.child("type"), `must be one of ${COLUMN_TYPES.join(",")}`));
  else if (!COLUMN_TYPES.includes(column.type)) {
    errors.push(invalidValue(path.child("type"), column.type, `must be one of ${COLUMN_TYPES.join(",")}`));
  }
  if (column.format && !COLUMN_FORMATS.includes(column.format)) {
    errors.push(invalidValue(path.child("format"), column.format, `must be one of ${COLUMN_FORMATS.join(",")}`));
  }
  // Upstream reports it by the name of older versions.
  const at = path.child("JSONPath");
  if (!column.jsonPath) errors.push(required(at));
  else if (!column.jsonPath.startsWith(".")) {
    errors.push(invalidValue(at, column.jsonPath, "must be a simple json path starting with ."));
  }
  return errors;
}

/** `scale` says where `kubectl scale` and autoscalers find the counts and the selector. */
function validateSubresources(subresources: CustomResourceSubresources | undefined, path: FieldPath): FieldError[] {
  const scale = subresources?.scale;
  if (!scale) return [];
  const at = path.child("scale");
  return [
    ...validateReplicasPath(scale.specReplicasPath, ".spec.", at.child("specReplicasPath"), true),
    ...validateReplicasPath(scale.statusReplicasPath, ".status.", at.child("statusReplicasPath"), true),
    ...validateReplicasPath(scale.labelSelectorPath, undefined, at.child("labelSelectorPath"), false),
  ];
}

/** `.spec.replicas`: fields alone, no array steps. */
function validateReplicasPath(
  text: string | undefined,
  prefix: string | undefined,
  path: FieldPath,
  isRequired: boolean,
): FieldError[] {
  if (!text) return isRequired ? [required(path)] : [];
  const errors: FieldError[] = [];
  if (!isSimplePath(text)) errors.push(invalidValue(path, text, "must be a simple json path without array notation"));
  if (prefix ? !text.startsWith(prefix) : !/^\.(spec|status)\./.test(text)) {
    const detail = prefix
      ? `should be a json path under ${prefix.slice(0, -1)}`
      : "should be a json path under either .status or .spec";
    errors.push(invalidValue(path, text, detail));
  }
  return errors;
}

// Steps by field name; no indexes, filters or wildcards.
const isSimplePath = (text: string) => /^(\.[A-Za-z0-9_-]+)+$/.test(text);

/** What discovery will say of the kind. Conflicts with other definitions show in the condition NamesAccepted. */
function validateNames(names: CustomResourceDefinitionNames | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const check = (field: "plural" | "singular" | "kind" | "listKind", isRequired: boolean, mixedCase: boolean) => {
    const value = names?.[field] ?? "";
    const at = path.child(field);
    if (!value) {
      if (isRequired) errors.push(required(at));
      return;
    }
    const wrong = isDns1035Label(mixedCase ? value.toLowerCase() : value);
    const detail = mixedCase ? `may have mixed case, but should otherwise match: ${wrong.join(",")}` : wrong.join(",");
    if (wrong.length > 0) errors.push(invalidValue(at, value, detail));
  };
  check("plural", true, false);
  // Defaults have filled it in by now, unless there is no kind to make it of.
  check("singular", false, false);
  check("kind", true, true);
  for (const field of ["shortNames", "categories"] as const) {
    for (const [i, word] of (names?.[field] ?? []).entries()) {
      const wrong = isDns1035Label(word);
      if (wrong.length > 0) errors.push(invalidValue(path.child(field).index(i), word, wrong.join(",")));
    }
  }
  check("listKind", true, true);
  // Clients tell an object from a list of them by the kind.
  if (names?.kind && names.kind === names.listKind) {
    errors.push(invalidValue(path.child("listKind"), names.listKind, "kind and listKind may not be the same"));
  }
  return errors;
}

/** Objects are read in any served version; a webhook makes one version of another, on every read that needs it. */
function validateConversion(conversion: CustomResourceConversion | undefined, path: FieldPath): FieldError[] {
  const strategy = conversion?.strategy ?? "";
  const webhook = conversion?.webhook;
  if (!strategy) return [required(path.child("strategy"))];
  // The versions then differ in `apiVersion` alone.
  if (strategy === "None") {
    const detail = 'should not be set when strategy is not set to "Webhook"';
    return webhook ? [{ type: "FieldValueForbidden", field: path.child("webhook").toString(), value: "", detail }] : [];
  }
  if (strategy !== "Webhook") return [notSupported(path.child("strategy"), strategy, ["None", "Webhook"])];
  const config = webhook?.clientConfig;
  const at = path.child("webhook", "clientConfig");
  const errors = config ? validateClientConfig(config, at) : [required(at, "required when strategy is set to Webhook")];
  return [
    ...errors,
    ...validateReviewVersions(
      webhook?.conversionReviewVersions ?? [],
      path.child("webhook", "conversionReviewVersions"),
    ),
  ];
}

function validateReviewVersions(versions: readonly string[], path: FieldPath): FieldError[] {
  if (versions.length === 0) return [required(path)];
  const errors = versions.flatMap((version, i) => invalidAll(path.index(i), version, isDns1035Label(version)));
  if (versions.some((version) => REVIEW_VERSIONS.includes(version))) return errors;
  return [...errors, invalidValue(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(", ")}`)];
}

/** Group and plural are the path under which objects are stored: with others they would be lost from sight. */
export function validateDefinitionUpdate(
  next: CustomResourceDefinition,
  previous: Readonly<CustomResourceDefinition>,
): FieldError[] {
  const path = root("spec");
  const errors = [
    ...immutableField(next.spec.group, previous.spec.group, path.child("group")),
    ...immutableField(next.spec.names?.plural, previous.spec.names?.plural, path.child("names", "plural")),
  ];
  // Once objects may exist, their scope and kind must stay what clients know.
  if (isConditionTrue(previous.status?.conditions, "Established")) {
    errors.push(
      ...immutableField(next.spec.scope, previous.spec.scope, path.child("scope")),
      ...immutableField(next.spec.names?.kind, previous.spec.names?.kind, path.child("names", "kind")),
    );
  }
  return [...errors, ...validateStoredVersions(next)];
}

/** The status is how an administrator drops an old version after a migration. */
export function validateDefinitionStatus(next: CustomResourceDefinition): FieldError[] {
  return validateStoredVersions(next);
}

/** A version of which objects may still be in etcd cannot go: nobody could read them any more. */
function validateStoredVersions({ spec, status }: CustomResourceDefinition): FieldError[] {
  const path = root("status").child("storedVersions");
  const stored = status?.storedVersions ?? [];
  if (stored.length === 0) {
    return [invalidValue(path, stored, "must have at least one stored version")];
  }
  const names = new Set((spec.versions ?? []).map(({ name }) => name));
  const missing = stored
    .map((name, i) => ({ name, i }))
    .filter(({ name }) => !names.has(name))
    .map(({ name, i }) => {
      const detail =
        `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a ` +
        `storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
      return invalidValue(path.index(i), name, detail);
    });
  const storage = (spec.versions ?? []).find((version) => version.storage)?.name;
  if (!storage || stored.includes(storage)) return missing;
  return [...missing, invalidValue(path, stored, `must have the storage version ${storage}`)];
}

// Whether a CustomResourceDefinition names its kind and versions well, and what of it may change.
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from "../../../generated/types.ts";
import { isConditionTrue } from "../../conditions.ts";
import type { FieldError } from "../../errors.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { immutableField, requiredWord } from "../../validation/field-rules.ts";
import { isDns1035Label, isDns1123Subdomain } from "../../validation/names.ts";
import { type FieldPath, invalidValue, required, root } from "../../validation/path.ts";
import { validateApproval } from "./community-approval.ts";
import { hasUnknownFields } from "./schema-defaults.ts";
import { findGranularSet, findLooseKeys } from "./schema-rules.ts";
import { partsOf } from "./structural-schema.ts";
import { hasKnownReview, validateConversion } from "./validate-conversion.ts";
import { requireNames, validateNames } from "./validate-names.ts";
import type { Demands } from "./validate-schema.ts";
import { type VersionParts, validateDeprecation, validateParts } from "./validate-version.ts";

/** The name `PLURAL.GROUP` makes two definitions of one resource impossible. Answers 422. */
export function validateDefinition(definition: CustomResourceDefinition): FieldError[] {
  const { metadata, spec } = definition;
  const expected = `${spec.names?.plural ?? ""}.${spec.group ?? ""}`;
  const errors: FieldError[] = [];
  // That there is a name at all is checked for every kind.
  if (metadata.name && metadata.name !== expected) {
    errors.push(
      invalidValue(root("metadata").child("name"), metadata.name, 'must be spec.names.plural+"."+spec.group'),
    );
  }
  return [
    ...errors,
    ...validateSpec(spec),
    ...validateStatus(definition),
    ...validateApproval(definition),
    ...validatePreserve(spec),
  ];
}

/** Group and plural are the path under which objects are stored: with others they would be lost from sight. */
export function validateDefinitionUpdate(
  next: CustomResourceDefinition,
  previous: Readonly<CustomResourceDefinition>,
): FieldError[] {
  const path = root("spec");
  const errors = validateSpec(next.spec, previous.spec);
  // Once objects may exist, their scope and kind must stay what clients know.
  if (isConditionTrue(previous.status?.conditions, "Established")) {
    errors.push(
      ...immutableField(next.spec.scope, previous.spec.scope, path.child("scope")),
      ...immutableField(next.spec.names?.kind, previous.spec.names?.kind, path.child("names", "kind")),
    );
  }
  return [
    ...errors,
    ...immutableField(next.spec.group, previous.spec.group, path.child("group")),
    ...immutableField(next.spec.names?.plural, previous.spec.names?.plural, path.child("names", "plural")),
    ...validateStatus(next),
    ...validateApproval(next, previous),
    ...validatePreserve(next.spec),
  ];
}

/** The status is how an administrator drops an old version after a migration. */
export function validateDefinitionStatus(next: CustomResourceDefinition): FieldError[] {
  return validateNames(next.status?.acceptedNames, root("status").child("acceptedNames"));
}

function validateStatus(definition: CustomResourceDefinition): FieldError[] {
  return [...validateDefinitionStatus(definition), ...validateStoredVersions(definition)];
}

/** What is demanded of a definition: everything of a new one, and of another nothing that it did not do before. */
function demandsOf(previous: CustomResourceDefinitionSpec | undefined): Demands & { readonly schemas: boolean } {
  const path = root();
  const every = (isFine: (schema: JSONSchemaProps) => boolean): boolean =>
    (previous?.versions ?? []).every(({ schema }) => !schema?.openAPIV3Schema || holds(schema.openAPIV3Schema, isFine));
  return {
    schemas: (previous?.versions ?? []).every(({ schema }) => schema?.openAPIV3Schema !== undefined),
    propertyTypes: every(({ type }) => !type || KNOWN_TYPES.has(type)),
    atomicSets: every((schema) => findGranularSet(schema, path).length === 0),
    mapKeys: every((schema) => findLooseKeys(schema, path).length === 0),
    prunedDefaults: every((schema) => schema.default === undefined || !hasUnknownFields(schema.default, schema)),
  };
}

const KNOWN_TYPES: ReadonlySet<string> = new Set(["array", "boolean", "integer", "number", "object", "string"]);

function holds(schema: JSONSchemaProps, isFine: (schema: JSONSchemaProps) => boolean): boolean {
  return isFine(schema) && partsOf(schema).every((part) => holds(part, isFine));
}

function validateSpec(spec: CustomResourceDefinitionSpec, previous?: CustomResourceDefinitionSpec): FieldError[] {
  const path = root("spec");
  const demands = demandsOf(previous);
  const versions = spec.versions ?? [];
  const shared = sharedParts(versions);
  const errors = [
    ...validateGroup(spec.group ?? "", path.child("group")),
    ...requiredWord(spec.scope, ["Cluster", "Namespaced"], path.child("scope")),
    ...requireSchemas(versions, path.child("versions"), demands.schemas),
  ];
  const hasStatus = (version: CustomResourceDefinitionVersion) => version.subresources?.status !== undefined;
  for (const [i, version] of versions.entries()) {
    const at = path.child("versions").index(i);
    errors.push(...validateVersionName(version.name ?? "", at.child("name")), ...validateDeprecation(version, at));
    const place = {
      ...{ path: at, schemaPath: at.child("schema"), hasStatus: hasStatus(version), demands },
      withoutSchema: "may only be set when `version.schema.openAPIV3Schema` is not included",
      allowManySelectable: keepsSelectable(version, previous),
    };
    errors.push(...validateParts(ownParts(version, shared), place));
  }
  errors.push(...validateVersions(versions, path));
  errors.push(...requireNames(spec.names, path.child("names")), ...validateNames(spec.names, path.child("names")));
  const [first] = versions;
  const place = {
    ...{ path, schemaPath: path.child("validation"), hasStatus: versions.some(hasStatus), demands },
    withoutSchema: "may only be set when validations.schema is included",
    allowManySelectable: first !== undefined && keepsSelectable(first, previous),
  };
  errors.push(...validateParts(shared, place));
  return [
    ...errors,
    ...validateConversion(spec.conversion, path.child("conversion"), hasKnownReview(previous?.conversion)),
  ];
}

/** What all versions have alike stands once, above them: upstream's own form of the type. */
function sharedParts(versions: readonly CustomResourceDefinitionVersion[]): VersionParts {
  const [first, ...others] = versions;
  if (!first) return {};
  const same = (field: "schema" | "subresources" | "additionalPrinterColumns" | "selectableFields") =>
    others.every((version) => deepEqual(version[field], first[field]));
  return {
    ...(same("schema") ? { schema: first.schema?.openAPIV3Schema } : {}),
    ...(same("subresources") ? { subresources: first.subresources } : {}),
    ...(same("additionalPrinterColumns") ? { columns: first.additionalPrinterColumns } : {}),
    ...(same("selectableFields") ? { selectable: first.selectableFields } : {}),
  };
}

function ownParts(version: CustomResourceDefinitionVersion, shared: VersionParts): VersionParts {
  return {
    ...("schema" in shared ? {} : { schema: version.schema?.openAPIV3Schema }),
    ...("subresources" in shared ? {} : { subresources: version.subresources }),
    ...("columns" in shared ? {} : { columns: version.additionalPrinterColumns }),
    ...("selectable" in shared ? {} : { selectable: version.selectableFields }),
  };
}

function keepsSelectable(version: CustomResourceDefinitionVersion, previous?: CustomResourceDefinitionSpec): boolean {
  const before = previous?.versions?.find(({ name }) => name === version.name);
  return before !== undefined && deepEqual(before.selectableFields, version.selectableFields);
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
function validatePreserve({ preserveUnknownFields }: CustomResourceDefinitionSpec): FieldError[] {
  if (!preserveUnknownFields) return [];
  const detail =
    "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
  return [invalidValue(root("spec").child("preserveUnknownFields"), true, detail)];
}

/** Without a schema every field of an object would be pruned. */
function requireSchemas(
  versions: readonly CustomResourceDefinitionVersion[],
  path: FieldPath,
  isDemanded: boolean,
): FieldError[] {
  return versions.flatMap(({ schema, served }, i) => {
    if (schema?.openAPIV3Schema) return [];
    const at = path.index(i).child("schema", "openAPIV3Schema");
    if (isDemanded) return [required(at)];
    return served ? [required(at, "because otherwise all fields are pruned")] : [];
  });
}

function validateVersionName(name: string, path: FieldPath): FieldError[] {
  const wrong = isDns1035Label(name);
  return wrong.length > 0 ? [invalidValue(path, name, wrong.join(","))] : [];
}

/** Several versions may be served, and one alone is stored: objects are converted from it to those that are served. */
function validateVersions(versions: readonly CustomResourceDefinitionVersion[], path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set(versions.map(({ name }) => name));
  const shown = versions.length > 0 ? versions : null;
  const wrong = (detail: string) => errors.push(invalidValue(path.child("versions"), shown, detail));
  if (names.size < versions.length) wrong("must contain unique version names");
  if (versions.filter(({ storage }) => storage).length !== 1) {
    wrong("must have exactly one version marked as storage version");
  }
  // Upstream's own form of the type names the first version twice.
  const first = versions[0]?.name;
  return first ? [...errors, ...validateVersionName(first, path.child("version"))] : errors;
}

/** A version of which objects may still be in etcd cannot go: nobody could read them any more. */
function validateStoredVersions({ spec, status }: CustomResourceDefinition): FieldError[] {
  const path = root("status").child("storedVersions");
  const stored = status?.storedVersions ?? [];
  if (stored.length === 0) {
    return [invalidValue(path, null, "must have at least one stored version")];
  }
  const versions = spec.versions ?? [];
  const unstored = versions
    .filter(({ name, storage }) => storage && !stored.includes(name))
    .map(({ name }) => invalidValue(path, stored, `must have the storage version ${name}`));
  const names = new Set(versions.map(({ name }) => name));
  const missing = stored.flatMap((name, i) => {
    if (names.has(name)) return [];
    const detail =
      `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions until a ` +
      `storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
    return [invalidValue(path.index(i), name, detail)];
  });
  return [...unstored, ...missing];
}

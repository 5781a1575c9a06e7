// The parts of a version: its schema, subresources, columns and selectable fields. Upstream keeps them once where all
// versions have the same, which is where their errors then stand.
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinitionVersion,
  CustomResourceSubresources,
  JSONSchemaProps,
  SelectableField,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { duplicate, type FieldPath, invalidValue, required, tooMany } from "../../validation/path.ts";
import { findField } from "./schema-paths.ts";
import { type Demands, validateSchema } from "./validate-schema.ts";

// What `additionalPrinterColumns` may be; a date is shown as an age.
const COLUMN_TYPES = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];
// Each is computed for every object of a list or watch that selects by fields.
const MAX_SELECTABLE_FIELDS = 8;

/** What several versions may share. Members that stand elsewhere are left out. */
export interface VersionParts {
  readonly schema?: JSONSchemaProps | undefined;
  readonly subresources?: CustomResourceSubresources | undefined;
  readonly columns?: readonly CustomResourceColumnDefinition[] | undefined;
  readonly selectable?: readonly SelectableField[] | undefined;
}

/** Where the parts stand, and what else must be known of the definition. */
export interface PartsPlace {
  readonly path: FieldPath;
  /** `schema` of a version, `validation` of the definition. */
  readonly schemaPath: FieldPath;
  readonly hasStatus: boolean;
  readonly demands: Demands;
  /** Said of selectable fields without a schema. */
  readonly withoutSchema: string;
  /** A definition that already has too many may keep them. */
  readonly allowManySelectable: boolean;
}

/** In upstream's order. */
export function validateParts(parts: VersionParts, place: PartsPlace): FieldError[] {
  const { path, schemaPath, hasStatus, demands } = place;
  const { schema, selectable = [] } = parts;
  const errors = schema ? validateSchema(schema, schemaPath.child("openAPIV3Schema"), hasStatus, demands) : [];
  errors.push(...validateSubresources(parts.subresources, path.child("subresources")));
  for (const [i, column] of (parts.columns ?? []).entries()) {
    errors.push(...validateColumn(column, path.child("additionalPrinterColumns").index(i)));
  }
  const at = path.child("selectableFields");
  if (selectable.length === 0) return errors;
  if (!schema) return [...errors, invalidValue(at, "", place.withoutSchema)];
  return [...errors, ...validateSelectable(selectable, schema, at, place.allowManySelectable)];
}

/** Sent in a header of every answer in that version. */
export function validateDeprecation(
  { deprecated, deprecationWarning: warning }: CustomResourceDefinitionVersion,
  path: FieldPath,
): FieldError[] {
  if (warning === undefined) return [];
  const at = path.child("deprecationWarning");
  if (!deprecated) return [invalidValue(at, warning, "can only be set for deprecated versions")];
  const errors: FieldError[] = [];
  if (Buffer.byteLength(warning) > 256) errors.push(invalidValue(at, warning, "must be <= 256 characters long"));
  if (warning === "") errors.push(invalidValue(at, warning, "must not be an empty string"));
  const wrong = UNPRINTABLE.exec(warning);
  if (wrong) {
    const index = Buffer.byteLength(warning.slice(0, wrong.index));
    const detail = `must only contain printable UTF-8 characters; non-printable character found at index ${index}`;
    errors.push(invalidValue(at, warning, detail));
  }
  return errors;
}

/** Letters, marks, numbers, punctuation, symbols and the plain space are printable. */
const UNPRINTABLE = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;

/** `scale` says where `kubectl scale` and autoscalers find the counts and the selector. */
function validateSubresources(subresources: CustomResourceSubresources | undefined, path: FieldPath): FieldError[] {
  const scale = subresources?.scale;
  if (!scale) return [];
  const at = path.child("scale");
  const spec = scale.specReplicasPath;
  const status = scale.statusReplicasPath;
  const selector = scale.labelSelectorPath;
  return [
    ...(spec
      ? validateScalePath(spec, [".spec"], at.child("specReplicasPath"))
      : [required(at.child("specReplicasPath"))]),
    ...(status
      ? validateScalePath(status, [".status"], at.child("statusReplicasPath"))
      : [required(at.child("statusReplicasPath"))]),
    ...(selector ? validateScalePath(selector, [".spec", ".status"], at.child("labelSelectorPath")) : []),
  ];
}

function validateScalePath(text: string, below: readonly string[], path: FieldPath): FieldError[] {
  const errors = validateSimplePath(text, path);
  if (errors.length > 0 || below.some((start) => text.startsWith(`${start}.`))) return errors;
  const where = below.length > 1 ? `either ${below.join(" or ")}` : below[0];
  return [invalidValue(path, text, `should be a json path under ${where}`)];
}

function validateSimplePath(text: string, path: FieldPath): FieldError[] {
  return text.startsWith(".") ? [] : [invalidValue(path, text, "must be a simple json path starting with .")];
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
  return [...errors, ...(column.jsonPath ? validateSimplePath(column.jsonPath, at) : [required(at)])];
}

/** Fields that `kubectl get --field-selector` may ask for, beside name and namespace. */
function validateSelectable(
  fields: readonly SelectableField[],
  schema: JSONSchemaProps,
  path: FieldPath,
  allowMany: boolean,
): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, { jsonPath }] of fields.entries()) {
    const at = path.index(i).child("jsonPath");
    if (!jsonPath) {
      errors.push(required(at));
      continue;
    }
    const found = findField(jsonPath, schema, false);
    if ("reason" in found) {
      errors.push(invalidValue(at, jsonPath, `is an invalid path: ${found.reason}`));
      continue;
    }
    if (found.steps[0] === "metadata") errors.push(invalidValue(at, jsonPath, "must not point to fields in metadata"));
    if (!SELECTABLE_TYPES.has(found.schema?.type ?? "")) {
      const detail =
        "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
      errors.push(invalidValue(at, jsonPath, detail));
    }
    const name = found.steps.join(".");
    if (seen.has(name)) errors.push(duplicate(at, jsonPath));
    seen.add(name);
  }
  if (seen.size <= MAX_SELECTABLE_FIELDS || allowMany) return errors;
  return [...errors, tooMany(path, seen.size, MAX_SELECTABLE_FIELDS)];
}

const SELECTABLE_TYPES: ReadonlySet<string> = new Set(["string", "boolean", "integer"]);

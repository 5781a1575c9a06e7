// Whether a schema of custom resources is structural: every part has a type, and nothing contradicts pruning.
import type { JSONSchemaProps } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { type FieldPath, forbiddenField, invalidValue, required } from "../../validation/path.ts";
import { isSchema } from "./schema-paths.ts";

/**
 * Without a structural schema the server could neither prune unknown fields, nor fill defaults, nor know how to merge
 * lists. Errors are upstream's, sorted as upstream sorts them, at the path of the offending keyword.
 */
export function validateStructural(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const errors = [...validatePart(schema, path, "root"), ...validateCompleteness(schema, schema, path, path)];
  const keyOf = ({ field, type, detail }: FieldError) => `${field}: ${type} ${detail}`;
  return errors.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

/** Keywords that cannot be read into a structural schema at all; undefined where there are none. */
export function findUnsupported(schema: JSONSchemaProps): string | undefined {
  const own = UNSUPPORTED.find((field) => {
    const value: unknown = schema[field];
    return typeof value === "object" && value !== null
      ? Object.keys(value).length > 0
      : value !== undefined && value !== "";
  });
  if (own) return `OpenAPIV3Schema '${own.replace("$schema", "schema")}' is not supported`;
  if (Array.isArray(schema.items)) return "OpenAPIV3Schema 'items' must be a schema, but is an array";
  for (const part of partsOf(schema)) {
    const found = findUnsupported(part);
    if (found) return found;
  }
  return undefined;
}

const UNSUPPORTED = [
  ...(["id", "$schema", "$ref", "patternProperties"] as const),
  ...(["dependencies", "additionalItems", "definitions"] as const),
];

/** All schemas that stand directly inside one. */
export function partsOf(schema: JSONSchemaProps): JSONSchemaProps[] {
  const { allOf, anyOf, oneOf, not, properties, items, additionalProperties } = schema;
  const parts = [...(allOf ?? []), ...(anyOf ?? []), ...(oneOf ?? []), ...(not ? [not] : [])];
  parts.push(...Object.values(properties ?? {}));
  if (isSchema(items)) parts.push(items);
  if (isSchema(additionalProperties)) parts.push(additionalProperties);
  return parts;
}

type Level = "root" | "item" | "field";

const MISSING_TYPE: Readonly<Record<Level, string>> = {
  root: "must not be empty at the root",
  item: "must not be empty for specified array items",
  field: "must not be empty for specified object fields",
};

/** One level of the schema and all levels below it. */
function validatePart(schema: JSONSchemaProps, path: FieldPath, level: Level): FieldError[] {
  const errors: FieldError[] = [];
  const { items, additionalProperties } = schema;
  if (schema.type === "array" && items === undefined) errors.push(required(path.child("items"), "must be specified"));
  if (isSchema(items)) errors.push(...validatePart(items, path.child("items"), "item"));
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    errors.push(...validatePart(property, path.child("properties").key(name), "field"));
  }
  const valuesPath = path.child("additionalProperties");
  if (additionalProperties !== undefined && level === "root") {
    errors.push(forbiddenField(valuesPath, "must not be used at the root"));
  }
  if (isSchema(additionalProperties)) errors.push(...validatePart(additionalProperties, valuesPath, "field"));
  errors.push(...validateIntOrString(schema, path), ...validateLogic(schema, path));
  errors.push(...validateType(schema, path, level), ...validateObjectFields(schema, path, level));
  return errors;
}

function validateIntOrString(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  if (!schema["x-kubernetes-int-or-string"]) return [];
  const open = (["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] as const).filter(
    (field) => schema[field],
  );
  return open.map((field) =>
    invalidValue(path.child(field), true, "must be false if x-kubernetes-int-or-string is true"),
  );
}

function validateType(schema: JSONSchemaProps, path: FieldPath, level: Level): FieldError[] {
  const at = path.child("type");
  const { type = "" } = schema;
  const errors: FieldError[] = [];
  const isEmbedded = schema["x-kubernetes-embedded-resource"] ?? false;
  const isOpen = schema["x-kubernetes-int-or-string"] || schema["x-kubernetes-preserve-unknown-fields"];
  if (isEmbedded && type !== "object") {
    const detail = "must be object if x-kubernetes-embedded-resource is true";
    errors.push(type ? invalidValue(at, type, detail) : required(at, detail));
  } else if (!type && !isOpen) errors.push(required(at, MISSING_TYPE[level]));
  if (isEmbedded && schema.additionalProperties !== undefined) {
    const detail = "must not be used if x-kubernetes-embedded-resource is set";
    errors.push(forbiddenField(path.child("additionalProperties"), detail));
  }
  if (level === "root" && type && type !== "object") errors.push(invalidValue(at, type, "must be object at the root"));
  return errors;
}

/** What every object has, the embedded ones too: its schema is known and may hardly be narrowed. */
function validateObjectFields(schema: JSONSchemaProps, path: FieldPath, level: Level): FieldError[] {
  const errors: FieldError[] = [];
  const isEmbedded = schema["x-kubernetes-embedded-resource"] ?? false;
  const isObject = level === "root" || isEmbedded;
  const { properties = {} } = schema;
  for (const name of isObject ? ["kind", "apiVersion"] : []) {
    const property = properties[name];
    if (!property || property.type === "string") continue;
    errors.push(invalidValue(path.child("properties").key(name).child("type"), property.type ?? "", "must be string"));
  }
  const { metadata } = properties;
  const at = path.child("properties").key("metadata");
  if (metadata && isObject && metadata.type !== "object") {
    errors.push(invalidValue(at.child("type"), metadata.type ?? "", "must be object"));
  }
  if (metadata && level === "root" && !narrowsNamesOnly(metadata)) {
    const detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
    errors.push(forbiddenField(at, detail));
  }
  if (isEmbedded && !schema["x-kubernetes-preserve-unknown-fields"] && Object.keys(properties).length === 0) {
    const detail =
      "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
    errors.push(required(path.child("properties"), detail));
  }
  return errors;
}

function narrowsNamesOnly(metadata: JSONSchemaProps): boolean {
  const { type: _type, default: _default, properties = {}, ...rest } = metadata;
  const onlyNames = Object.keys(properties).every((name) => name === "name" || name === "generateName");
  return onlyNames && Object.keys(rest).length === 0;
}

const LOGIC = ["anyOf", "allOf", "oneOf"] as const;
/** The one place where types may stand inside anyOf: they are what int-or-string means. */
const INT_OR_STRING = [{ type: "integer" }, { type: "string" }];

/** Below allOf, anyOf, oneOf and not, values are only judged: nothing there says what exists. */
function validateLogic(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const skipsAnyOf = deepEqual(schema.anyOf, INT_OR_STRING);
  const skipsFirst = deepEqual(schema.allOf?.[0]?.anyOf, INT_OR_STRING);
  for (const field of LOGIC) {
    if (field === "anyOf" && skipsAnyOf) continue;
    for (const [i, part] of (schema[field] ?? []).entries()) {
      errors.push(...validateJudgement(part, path.child(field).index(i), field === "allOf" && i === 0 && skipsFirst));
    }
  }
  if (schema.not) errors.push(...validateJudgement(schema.not, path.child("not"), false));
  return errors;
}

/** Keywords that may not stand there, and what upstream says they must be. */
const STRUCTURE: Readonly<Partial<Record<keyof JSONSchemaProps, string>>> = {
  type: "empty",
  additionalProperties: "undefined",
  default: "undefined",
  title: "empty",
  description: "empty",
  nullable: "false",
  "x-kubernetes-preserve-unknown-fields": "false",
  "x-kubernetes-embedded-resource": "false",
  "x-kubernetes-int-or-string": "false",
  "x-kubernetes-list-map-keys": "empty",
  "x-kubernetes-list-type": "undefined",
  "x-kubernetes-map-type": "undefined",
  "x-kubernetes-validations": "empty",
};

function validateJudgement(schema: JSONSchemaProps, path: FieldPath, skipsAnyOf: boolean): FieldError[] {
  const { properties = {}, items } = schema;
  // Only the outermost parts may say int-or-string in the usual way, so the pattern is not looked for again here.
  const errors = validateNested(skipsAnyOf ? { ...schema, anyOf: [] } : schema, path);
  if (isSchema(items)) errors.push(...validateJudgement(items, path.child("items"), false));
  for (const [name, property] of Object.entries(properties)) {
    errors.push(...validateJudgement(property, path.child("properties").key(name), false));
  }
  for (const [field, wanted] of Object.entries(STRUCTURE)) {
    if (isSaid(schema[field as keyof JSONSchemaProps])) {
      errors.push(forbiddenField(path.child(field), `must be ${wanted} to be structural`));
    }
  }
  if ("metadata" in properties) {
    errors.push(forbiddenField(path.child("properties").key("metadata"), "must not be specified in a nested context"));
  }
  return errors;
}

function validateNested(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const parts = LOGIC.flatMap((field) =>
    (schema[field] ?? []).flatMap((part, i) => validateJudgement(part, path.child(field).index(i), false)),
  );
  return schema.not ? [...parts, ...validateJudgement(schema.not, path.child("not"), false)] : parts;
}

function isSaid(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return value !== undefined && value !== "" && value !== false;
}

/** What is judged must exist: a property below anyOf needs one of the same name outside. */
function validateCompleteness(
  judged: JSONSchemaProps,
  schema: JSONSchemaProps | undefined,
  path: FieldPath,
  from: FieldPath,
): FieldError[] {
  if (!schema) return [required(path, `because it is defined in ${from}`)];
  const parts: [JSONSchemaProps, FieldPath][] = judged.not ? [[judged.not, from.child("not")]] : [];
  for (const field of ["allOf", "anyOf", "oneOf"] as const) {
    for (const [i, part] of (judged[field] ?? []).entries()) parts.push([part, from.child(field).index(i)]);
  }
  return parts.flatMap(([part, at]) => validateNestedCompleteness(part, schema, path, at));
}

function validateNestedCompleteness(
  judged: JSONSchemaProps,
  schema: JSONSchemaProps | undefined,
  path: FieldPath,
  from: FieldPath,
): FieldError[] {
  if (!schema) return [required(path, `because it is defined in ${from}`)];
  const errors = validateCompleteness(judged, schema, path, from);
  if (isSchema(judged.items)) {
    const items = isSchema(schema.items) ? schema.items : undefined;
    errors.push(...validateNestedCompleteness(judged.items, items, path.child("items"), from.child("items")));
  }
  for (const [name, property] of Object.entries(judged.properties ?? {})) {
    const at = path.child("properties").key(name);
    const inside = from.child("properties").key(name);
    const known = schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    errors.push(...validateNestedCompleteness(property, known, at, inside));
  }
  return errors;
}

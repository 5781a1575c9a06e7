// Whether the defaults of a schema are values that the schema itself takes: they are written into objects unseen.
import type { JSONSchemaProps } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, invalidValue, notSupported, required, tooLong, tooMany } from "../../validation/path.ts";
import { isSchema } from "./schema-paths.ts";

/** Errors of all defaults of a structural schema. Below additionalProperties there can be none. */
export function validateDefaults(schema: JSONSchemaProps, path: FieldPath, requirePruned: boolean): FieldError[] {
  const errors: FieldError[] = [];
  if (schema.default !== undefined) {
    const at = path.child("default");
    const value: unknown = schema.default;
    if (requirePruned && hasUnknownFields(value, schema)) {
      errors.push(invalidValue(at, value, "must not have unknown fields"));
    }
    errors.push(...judge(value, schema, { path: at, name: "" }));
  }
  if (isSchema(schema.items)) errors.push(...validateDefaults(schema.items, path.child("items"), requirePruned));
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    errors.push(...validateDefaults(property, path.child("properties").key(name), requirePruned));
  }
  return errors;
}

/** Whether pruning would take something away. */
export function hasUnknownFields(value: unknown, schema: JSONSchemaProps): boolean {
  if (Array.isArray(value)) {
    const { items } = schema;
    return isSchema(items) && value.some((item) => hasUnknownFields(item, items));
  }
  if (!isObject(value)) return false;
  return Object.entries(value).some(([name, member]) => {
    const known = schema.properties && Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
    if (known) return hasUnknownFields(member, known);
    const values: unknown = schema.additionalProperties;
    if (isSchema(values)) return hasUnknownFields(member, values);
    if (values === true || schema["x-kubernetes-preserve-unknown-fields"]) return false;
    // Embedded objects have these without saying so.
    return !(schema["x-kubernetes-embedded-resource"] && OBJECT_FIELDS.has(name));
  });
}

const OBJECT_FIELDS: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/** Where the value is: in the path of errors, and in their texts. */
interface Place {
  readonly path: FieldPath;
  readonly name: string;
}

/**
 * What the schema demands of types, numbers, lengths and fields. Patterns are not tried, for one may take forever, and what
 * combines schemas (anyOf and the like) is not looked at.
 */
function judge(value: unknown, schema: JSONSchemaProps, place: Place): FieldError[] {
  if (value === null && schema.nullable) return [];
  const type = typeOf(value);
  const expected = schema.type;
  const fits = !expected || type === expected || (expected === "number" && type === "integer");
  if (!fits) {
    return [invalidValue(place.path, type, `${place.name} in body must be of type ${expected}: "${type}"`)];
  }
  const errors: FieldError[] = [];
  if (typeof value === "string") errors.push(...judgeText(value, schema, place));
  else if (typeof value === "number") errors.push(...judgeNumber(value, schema, place));
  else if (Array.isArray(value)) errors.push(...judgeList(value, schema, place));
  else if (isObject(value)) errors.push(...judgeObject(value, schema, place));
  const words = (schema.enum ?? []) as unknown[];
  if (words.length > 0 && !words.some((word) => JSON.stringify(word) === JSON.stringify(value))) {
    errors.push(notSupported(place.path, value, words.map(String)));
  }
  return errors;
}

function judgeText(value: string, schema: JSONSchemaProps, { path, name }: Place): FieldError[] {
  const errors: FieldError[] = [];
  const length = [...value].length;
  if (schema.maxLength !== undefined && length > schema.maxLength) errors.push(tooLong(path, schema.maxLength));
  if (schema.minLength !== undefined && length < schema.minLength) {
    errors.push(invalidValue(path, value, `${name} in body should be at least ${schema.minLength} chars long`));
  }
  return errors;
}

function judgeNumber(value: number, schema: JSONSchemaProps, { path, name }: Place): FieldError[] {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const errors: FieldError[] = [];
  const wrong = (detail: string) => errors.push(invalidValue(path, value, `${name} in body should be ${detail}`));
  if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum)) {
    wrong(`less than ${exclusiveMaximum ? "" : "or equal to "}${maximum}`);
  }
  if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum)) {
    wrong(`greater than ${exclusiveMinimum ? "" : "or equal to "}${minimum}`);
  }
  if (multipleOf && !Number.isInteger(value / multipleOf)) wrong(`a multiple of ${multipleOf}`);
  return errors;
}

function judgeList(value: readonly unknown[], schema: JSONSchemaProps, { path, name }: Place): FieldError[] {
  const errors: FieldError[] = [];
  const { items, maxItems, minItems } = schema;
  if (minItems !== undefined && value.length < minItems) {
    errors.push(invalidValue(path, value.length, `${name} in body should have at least ${minItems} items`));
  }
  if (maxItems !== undefined && value.length > maxItems) errors.push(tooMany(path, value.length, maxItems));
  if (!isSchema(items)) return errors;
  return [
    ...errors,
    ...value.flatMap((item, i) => judge(item, items, { path: path.child(`[${i}]`), name: `${name}[${i}]` })),
  ];
}

function judgeObject(value: Members, schema: JSONSchemaProps, { path, name }: Place): FieldError[] {
  const errors = (schema.required ?? [])
    .filter((field) => !Object.hasOwn(value, field))
    .map((field) => required(path.child(field)));
  const count = Object.keys(value).length;
  const { minProperties, maxProperties } = schema;
  if (minProperties !== undefined && count < minProperties) {
    errors.push(invalidValue(path, count, `${name} in body should have at least ${minProperties} properties`));
  }
  if (maxProperties !== undefined && count > maxProperties) errors.push(tooMany(path, count, maxProperties));
  for (const [field, member] of Object.entries(value)) {
    const values: unknown = schema.additionalProperties;
    const known = schema.properties && Object.hasOwn(schema.properties, field) ? schema.properties[field] : undefined;
    const inner = known ?? (isSchema(values) ? values : undefined);
    const place = { path: path.child(field), name: name ? `${name}.${field}` : field };
    if (inner) errors.push(...judge(member, inner, place));
  }
  return errors;
}

type Members = Readonly<Record<string, unknown>>;

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

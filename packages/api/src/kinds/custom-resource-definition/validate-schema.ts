// Whether a schema of custom resources is structural: every part has a type, and nothing contradicts pruning.
import type { JSONSchemaProps } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
} from "../../validation/path.ts";

// JSON's types, with integer apart: Go has no one number.
const TYPES = ["array", "boolean", "integer", "number", "object", "string"];
// The check is recursive, and no schema may run it out of stack.
const MAX_DEPTH = 100;

/**
 * Without a structural schema the server could neither prune unknown fields, nor fill defaults, nor know how to
 * merge lists. Errors are upstream's, at the path of the offending keyword.
 */
export function validateSchema(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (schema.type !== "object") {
    errors.push(
      schema.type
        ? invalidValue(path.child("type"), schema.type, "must be object at the root")
        : required(path.child("type"), "must not be empty at the root"),
    );
  }
  // The root is the object itself, which is never null.
  if (schema.nullable) errors.push(forbiddenField(path.child("nullable"), "nullable cannot be true at the root"));
  return [...errors, ...validatePart(schema, path, 0)];
}

/** One level of the schema, then all levels below it. */
function validatePart(schema: JSONSchemaProps, path: FieldPath, depth: number): FieldError[] {
  if (depth > MAX_DEPTH) return [invalidValue(path, "", "is nested too deeply")];
  const errors = [
    ...validateForbidden(schema, path),
    ...validateType(schema, path, depth),
    ...validateExtensions(schema, path),
  ];
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    errors.push(...validatePart(property, path.child("properties").key(name), depth + 1));
  }
  if (isSchema(schema.items)) errors.push(...validatePart(schema.items, path.child("items"), depth + 1));
  else if (Array.isArray(schema.items)) {
    errors.push(forbiddenField(path.child("items"), "items must be a schema object and not an array"));
  }
  if (isSchema(schema.additionalProperties)) {
    errors.push(...validatePart(schema.additionalProperties, path.child("additionalProperties"), depth + 1));
  }
  return [...errors, ...validateLogic(schema, path, depth)];
}

function isSchema(value: unknown): value is JSONSchemaProps {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON Schema's own keywords that have no place in a structural schema. */
function validateForbidden(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["definitions", "dependencies", "patternProperties"] as const) {
    if (schema[field] && Object.keys(schema[field]).length > 0) {
      errors.push(forbiddenField(path.child(field), `${field} is not supported`));
    }
  }
  if (schema.additionalItems !== undefined) {
    errors.push(forbiddenField(path.child("additionalItems"), "additionalItems is not supported"));
  }
  for (const field of ["id", "$ref"] as const) {
    if (schema[field]) errors.push(forbiddenField(path.child(field), `${field} is not supported`));
  }
  if (schema.uniqueItems) {
    const detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
    errors.push(forbiddenField(path.child("uniqueItems"), detail));
  }
  // Either the names of fields are known, or any name goes (a map): pruning has to tell the two apart.
  if (schema.additionalProperties !== undefined && Object.keys(schema.properties ?? {}).length > 0) {
    const detail = "additionalProperties and properties are mutual exclusive";
    errors.push(forbiddenField(path.child("additionalProperties"), detail));
  }
  if (schema.additionalProperties === false) {
    errors.push(forbiddenField(path.child("additionalProperties"), "additionalProperties cannot be set to false"));
  }
  return errors;
}

function validateType(schema: JSONSchemaProps, path: FieldPath, depth: number): FieldError[] {
  const { type } = schema;
  const at = path.child("type");
  // Both say of a value that its type is open.
  const free = schema["x-kubernetes-int-or-string"] || schema["x-kubernetes-preserve-unknown-fields"];
  if (!type) return free || depth === 0 ? [] : [required(at, "must not be empty for specified object fields")];
  if (schema["x-kubernetes-int-or-string"]) {
    const detail = "must be empty if x-kubernetes-int-or-string is true";
    return [invalidValue(at, type, detail)];
  }
  if (!TYPES.includes(type)) return [notSupported(at, type, TYPES)];
  if (type === "array" && schema.items === undefined) return [required(path.child("items"), "must be specified")];
  return [];
}

// How server-side apply merges a list: as one value, by keys, or as a set.
const LIST_TYPES = ["atomic", "map", "set"];

/** Kubernetes' own keywords, which say what JSON Schema cannot: merging, pruning, rules in CEL. */
function validateExtensions(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const listType = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const at = path.child("x-kubernetes-list-type");
  if (listType && !LIST_TYPES.includes(listType)) errors.push(notSupported(at, listType, LIST_TYPES));
  if (listType && schema.type !== "array") {
    errors.push(
      invalidValue(path.child("type"), schema.type ?? "", "must be array if x-kubernetes-list-type is specified"),
    );
  }
  const keyPath = path.child("x-kubernetes-list-map-keys");
  // The keys tell items apart, so that two owners can each have some of them.
  if (listType === "map" && keys.length === 0) {
    errors.push(required(keyPath, "must not be empty if x-kubernetes-list-type is map"));
  }
  if (listType !== "map" && keys.length > 0) {
    errors.push(invalidValue(keyPath, keys, "must be empty unless x-kubernetes-list-type is map"));
  }
  for (const [i, key] of keys.entries()) if (keys.indexOf(key) < i) errors.push(duplicate(keyPath.index(i), key));
  const mapType = schema["x-kubernetes-map-type"];
  if (mapType && mapType !== "atomic" && mapType !== "granular") {
    errors.push(notSupported(path.child("x-kubernetes-map-type"), mapType, ["atomic", "granular"]));
  }
  if (schema["x-kubernetes-preserve-unknown-fields"] === false) {
    errors.push(invalidValue(path.child("x-kubernetes-preserve-unknown-fields"), false, "must be true or undefined"));
  }
  // A whole object with kind and metadata, which is then pruned and checked as one.
  if (schema["x-kubernetes-embedded-resource"] && schema.type !== "object") {
    const detail = "must be object if x-kubernetes-embedded-resource is true";
    errors.push(invalidValue(path.child("type"), schema.type ?? "", detail));
  }
  for (const [i, { rule }] of (schema["x-kubernetes-validations"] ?? []).entries()) {
    if (!rule?.trim())
      errors.push(required(path.child("x-kubernetes-validations").index(i).child("rule"), "rule is not specified"));
  }
  return errors;
}

/** Below allOf, anyOf, oneOf and not, values are only judged: nothing there says what exists. */
function validateLogic(schema: JSONSchemaProps, path: FieldPath, depth: number): FieldError[] {
  const errors: FieldError[] = [];
  const intOrString = schema["x-kubernetes-int-or-string"] === true;
  for (const field of ["allOf", "anyOf", "oneOf"] as const) {
    for (const [i, part] of (schema[field] ?? []).entries()) {
      errors.push(...validateJudgement(part, path.child(field).index(i), depth + 1, intOrString));
    }
  }
  if (schema.not) errors.push(...validateJudgement(schema.not, path.child("not"), depth + 1, intOrString));
  return errors;
}

/** `mayType` lets the usual anyOf of an int-or-string name its two types. */
function validateJudgement(schema: JSONSchemaProps, path: FieldPath, depth: number, mayType: boolean): FieldError[] {
  if (depth > MAX_DEPTH) return [invalidValue(path, "", "is nested too deeply")];
  const errors: FieldError[] = [];
  const structural = "must be empty to be structural";
  if (schema.description) errors.push(forbiddenField(path.child("description"), structural));
  if (schema.type && !mayType) errors.push(forbiddenField(path.child("type"), structural));
  if (schema.default !== undefined)
    errors.push(forbiddenField(path.child("default"), "must be undefined to be structural"));
  if (schema.nullable) errors.push(forbiddenField(path.child("nullable"), "must be false to be structural"));
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    errors.push(...validateJudgement(property, path.child("properties").key(name), depth + 1, false));
  }
  if (isSchema(schema.items)) errors.push(...validateJudgement(schema.items, path.child("items"), depth + 1, false));
  for (const field of ["allOf", "anyOf", "oneOf"] as const) {
    for (const [i, part] of (schema[field] ?? []).entries()) {
      errors.push(...validateJudgement(part, path.child(field).index(i), depth + 1, mayType));
    }
  }
  return errors;
}

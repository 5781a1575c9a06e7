// What OpenAPI and Kubernetes' own keywords demand of every part of a schema, the judged ones included.
import type { JSONSchemaProps, ValidationRule } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, forbiddenField, invalidValue, notSupported, required } from "../../validation/path.ts";
import { findField, isSchema } from "./schema-paths.ts";

/** Checks that came later: a stored definition that fails one may go on doing so. */
export interface SchemaDemands {
  readonly propertyTypes: boolean;
  readonly atomicSets: boolean;
  readonly mapKeys: boolean;
}

interface Context {
  readonly demands: SchemaDemands;
  /** Why there may be no defaults here; undefined where there may be. */
  readonly noDefaults?: string;
  readonly isInMeta?: boolean;
  readonly isRoot?: boolean;
}

// JSON's types, with integer apart: Go has no one number.
const TYPES = ["array", "boolean", "integer", "number", "object", "string"];
const OBJECT_FIELDS = ["metadata", "kind", "apiVersion"];

/** Errors are upstream's, in its order. */
export function validateRules(schema: JSONSchemaProps, path: FieldPath, context: Context): FieldError[] {
  const errors = validateKeywords(schema, path, context);
  const { isRoot: _root, ...below } = context;
  if (schema.uniqueItems) {
    const detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
    errors.push(forbiddenField(path.child("uniqueItems"), detail));
  }
  errors.push(...validateValues(schema, path, below));
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const inner = contextOfProperty(schema, name, context);
    errors.push(...validateRules(property, path.child("properties").key(name), inner));
  }
  if (schema.not) errors.push(...validateRules(schema.not, path.child("not"), below));
  for (const field of ["allOf", "oneOf", "anyOf"] as const) {
    for (const [i, part] of (schema[field] ?? []).entries()) {
      errors.push(...validateRules(part, path.child(field).index(i), below));
    }
  }
  if (isSchema(schema.items)) errors.push(...validateRules(schema.items, path.child("items"), below));
  errors.push(...validateMerging(schema, path, context.demands));
  for (const [i, rule] of (schema["x-kubernetes-validations"] ?? []).entries()) {
    errors.push(...validateRule(rule, schema, path.child("x-kubernetes-validations").index(i)));
  }
  return errors;
}

function contextOfProperty(schema: JSONSchemaProps, name: string, context: Context): Context {
  const { isRoot, ...below } = context;
  if (!(isRoot || schema["x-kubernetes-embedded-resource"]) || !OBJECT_FIELDS.includes(name)) return below;
  return { ...below, isInMeta: true, ...(isRoot ? { noDefaults: `in top-level ${name}` } : {}) };
}

/** JSON Schema's own keywords that have no place here. */
function validateKeywords(schema: JSONSchemaProps, path: FieldPath, context: Context): FieldError[] {
  const errors: FieldError[] = [];
  const { type } = schema;
  const forbid = (field: string, detail: string) => errors.push(forbiddenField(path.child(field), detail));
  if (context.demands.propertyTypes && type && !TYPES.includes(type)) {
    errors.push(notSupported(path.child("type"), type, TYPES));
  }
  if (schema.default !== undefined && context.noDefaults) forbid("default", `must not be set ${context.noDefaults}`);
  for (const field of ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] as const) {
    const value: unknown = schema[field];
    const isSaid = typeof value === "object" && value !== null ? Object.keys(value).length > 0 : value !== undefined;
    if (isSaid && value !== "") forbid(field, `${field} is not supported`);
  }
  if (type === "null") forbid("type", "type cannot be set to null, use nullable as an alternative");
  if (Array.isArray(schema.items)) forbid("items", "items must be a schema object and not an array");
  if (context.isInMeta && schema["x-kubernetes-embedded-resource"]) {
    forbid("x-kubernetes-embedded-resource", "must not be used inside of resource meta");
  }
  return errors;
}

/** Either the names of fields are known, or any name goes (a map): pruning has to tell the two apart. */
function validateValues(schema: JSONSchemaProps, path: FieldPath, context: Context): FieldError[] {
  const values: unknown = schema.additionalProperties;
  if (values === undefined) return [];
  const at = path.child("additionalProperties");
  const errors: FieldError[] = [];
  if (Object.keys(schema.properties ?? {}).length > 0 && values !== true) {
    errors.push(forbiddenField(at, "additionalProperties and properties are mutual exclusive"));
  }
  if (!isSchema(values)) return errors;
  const noDefaults = "inside additionalProperties applying to object metadata";
  return [...errors, ...validateRules(values, at, context.isInMeta ? { ...context, noDefaults } : context)];
}

/** How server-side apply merges a list: as one value, by keys, or as a set. */
function validateMerging(schema: JSONSchemaProps, path: FieldPath, demands: SchemaDemands): FieldError[] {
  const errors: FieldError[] = [];
  if (schema["x-kubernetes-preserve-unknown-fields"] === false) {
    errors.push(invalidValue(path.child("x-kubernetes-preserve-unknown-fields"), false, "must be true or undefined"));
  }
  const mapType = schema["x-kubernetes-map-type"];
  if (mapType !== undefined) errors.push(...validateMapType(mapType, schema, path));
  const listType = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  if (listType !== undefined) errors.push(...validateListType(listType, schema, path, demands));
  if (keys.length > 0 && listType !== "map") {
    const detail = "must be map if x-kubernetes-list-map-keys is non-empty";
    const at = path.child("x-kubernetes-list-type");
    errors.push(listType === undefined ? required(at, detail) : invalidValue(at, listType, detail));
  }
  if (listType === "map") errors.push(...validateMapKeys(keys, schema, path));
  return demands.mapKeys ? [...errors, ...findLooseKeys(schema, path)] : errors;
}

function validateMapType(mapType: string, schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const errors = mustBe("object", schema, path, "x-kubernetes-map-type");
  if (mapType === "atomic" || mapType === "granular") return errors;
  return [...errors, notSupported(path.child("x-kubernetes-map-type"), mapType, ["atomic", "granular"])];
}

function mustBe(type: string, schema: JSONSchemaProps, path: FieldPath, keyword: string): FieldError[] {
  if (schema.type === type) return [];
  const detail = `must be ${type} if ${keyword} is specified`;
  const at = path.child("type");
  return [schema.type ? invalidValue(at, schema.type, detail) : required(at, detail)];
}

const LIST_TYPES = ["atomic", "set", "map"];

function validateListType(
  listType: string,
  schema: JSONSchemaProps,
  path: FieldPath,
  demands: SchemaDemands,
): FieldError[] {
  const errors = mustBe("array", schema, path, "x-kubernetes-list-type");
  if (errors.length === 0 && demands.atomicSets) errors.push(...findGranularSet(schema, path));
  if (LIST_TYPES.includes(listType)) return errors;
  return [...errors, notSupported(path.child("x-kubernetes-list-type"), listType, LIST_TYPES)];
}

/** An element of a set is compared as a whole, so that it has no parts of its own. */
export function findGranularSet(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const { items } = schema;
  if (schema["x-kubernetes-list-type"] !== "set" || !isSchema(items)) return [];
  const detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
  const listType = items["x-kubernetes-list-type"];
  const wrong = (field: string) => [invalidValue(path.child("items", field), listType ?? null, detail)];
  if (items.type === "array" && listType !== undefined && listType !== "atomic") return wrong("x-kubernetes-list-type");
  if (items.type === "object" && items["x-kubernetes-map-type"] !== "atomic") return wrong("x-kubernetes-map-type");
  return [];
}

/** The keys tell items apart, so that two owners can each have some of them. */
function validateMapKeys(keys: readonly string[], schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const at = path.child("x-kubernetes-list-map-keys");
  const { items } = schema;
  if (keys.length === 0) errors.push(required(at, "must not be empty if x-kubernetes-list-type is map"));
  const itemsPath = path.child("items");
  if (items === undefined)
    return [...errors, required(itemsPath, "must have a schema if x-kubernetes-list-type is map")];
  if (!isSchema(items)) {
    return [
      ...errors,
      invalidValue(itemsPath, items, "must only have a single schema if x-kubernetes-list-type is map"),
    ];
  }
  if (items.type !== "object") {
    const detail = "must be object if parent array's x-kubernetes-list-type is map";
    return [...errors, invalidValue(itemsPath.child("type"), items.type ?? "", detail)];
  }
  for (const [i, key] of keys.entries()) {
    const property = items.properties?.[key];
    if (!property) errors.push(invalidValue(at, keys, "entries must all be names of item properties"));
    else if (property.type === "array" || property.type === "object") {
      const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      errors.push(invalidValue(itemsPath.child("properties").key(key).child("type"), items.type, detail));
    }
    if (keys.indexOf(key) < i) errors.push(invalidValue(at, keys, "must not contain duplicate entries"));
  }
  return errors;
}

/** What is compared must be there in every item. */
export function findLooseKeys(schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const { items } = schema;
  const listType = schema["x-kubernetes-list-type"];
  if (!isSchema(items) || (listType !== "set" && listType !== "map")) return [];
  const errors: FieldError[] = [];
  const at = path.child("items");
  if (items.nullable) {
    errors.push(forbiddenField(at.child("nullable"), `cannot be nullable when x-kubernetes-list-type is ${listType}`));
  }
  for (const key of listType === "map" ? (schema["x-kubernetes-list-map-keys"] ?? []) : []) {
    const property = items.properties?.[key];
    if (!property) continue;
    const said = "this property is in x-kubernetes-list-map-keys, so it";
    const place = at.child("properties").key(key);
    if (!items.required?.includes(key) && property.default === undefined) {
      errors.push(required(place.child("default"), `${said} must have a default or be a required property`));
    }
    if (property.nullable) errors.push(forbiddenField(place.child("nullable"), `${said} cannot be nullable`));
  }
  return errors;
}

const REASONS = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const LINE_BREAK = /[\n\r]/;

/** A rule in CEL: its parts are looked at here, the expression itself is not compiled. */
function validateRule(rule: ValidationRule, schema: JSONSchemaProps, path: FieldPath): FieldError[] {
  const errors = validateMessage(rule, path);
  const { messageExpression = "", reason, fieldPath = "" } = rule;
  if (messageExpression && !messageExpression.trim()) {
    errors.push(required(path.child("messageExpression"), "messageExpression must be non-empty if specified"));
  }
  if (reason !== undefined && !REASONS.includes(reason)) {
    errors.push(notSupported(path.child("reason"), reason, REASONS));
  }
  if (!fieldPath) return errors;
  const wrong = (detail: string) => errors.push(invalidValue(path.child("fieldPath"), fieldPath, detail));
  if (!fieldPath.trim()) wrong("must be non-empty if specified");
  if (LINE_BREAK.test(fieldPath)) wrong("must not contain line breaks");
  if ("reason" in findField(fieldPath, schema, true)) wrong("must be a valid path");
  return errors;
}

function validateMessage({ rule = "", message = "" }: ValidationRule, path: FieldPath): FieldError[] {
  const at = path.child("message");
  if (!rule.trim()) return [required(path.child("rule"), "rule is not specified")];
  if (message && !message.trim()) return [invalidValue(at, message, "must be non-empty if specified")];
  if (LINE_BREAK.test(message.trim())) return [invalidValue(at, message, "must not contain line breaks")];
  if (LINE_BREAK.test(rule.trim()) && !message.trim()) {
    return [required(at, "message must be specified if rule contains line breaks")];
  }
  return [];
}

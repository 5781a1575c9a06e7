// Whether a configuration fits its type, in the words of structured merge: apply knows no unknown fields.
import { badRequest } from "../errors.ts";
import { isQuantityField, listMapKeysOf, listTypeOf } from "../field-tables.ts";
import { modelOf } from "../models.ts";
import { isPlainObject, type PlainObject } from "../plain-object.ts";
import type { Schema } from "../schema.ts";
import { formatElements, keyElement, valueElement } from "./path-element.ts";

/** Throws ApiError 400. `what` names the object: `default/web; apps/v1, Kind=Deployment`. */
export function checkConfig(model: string, config: PlainObject, what: string): void {
  const errors: string[] = [];
  checkObject({ type: "object", ref: model }, config, () => "", errors);
  if (errors.length === 0) return;
  const text = errors.length === 1 ? errors[0] : `errors:\n${errors.map((error) => `  ${error}`).join("\n")}`;
  throw badRequest(`failed to create typed patch object (${what}): ${text}`);
}

// Enough for a person to read; nesting is bounded because the check is recursive.
const MAX_ERRORS = 100;
const MAX_DEPTH = 500;

/** Made only for those who complain: most configurations are fine, and may have very many items. */
type Path = () => string;

type Place = { readonly model: string; readonly field: string } | undefined;

function check(schema: Schema, value: unknown, path: Path, errors: string[], place: Place, depth: number): void {
  // Null fits every type.
  if (value === null || value === undefined || errors.length >= MAX_ERRORS) return;
  const complain = (what: string) => errors.push(`${path()}: ${what}`);
  if (depth > MAX_DEPTH) {
    complain("exceeded max depth");
    return;
  }
  switch (schema.type) {
    case "object":
      checkObject(schema, value, path, errors, depth);
      return;
    case "map":
      if (!isPlainObject(value)) complain(`expected map, got ${describe(value)}`);
      else
        for (const key of Object.keys(value))
          check(schema.values, value[key], () => `${path()}.${key}`, errors, place, depth + 1);
      return;
    case "array":
      if (!Array.isArray(value)) complain(`expected list, got ${describe(value)}`);
      else checkList(schema, value, path, errors, place, depth);
      return;
    // Whether the number is whole is for the decoder to say.
    case "integer":
    case "number":
      if (typeof value !== "number") complain(`expected numeric (int or float), got ${goType(value)}`);
      return;
    case "string":
      if (typeof value !== "string" && !(typeof value === "number" && isQuantity(place))) {
        complain(`expected string, got ${describe(value)}`);
      }
      return;
    case "boolean":
      if (typeof value !== "boolean") complain(`expected boolean, got ${describe(value)}`);
      return;
    // Upstream's type takes any scalar and lets the decoder say which it wants.
    case "int-or-string":
      if (typeof value === "object") complain(`expected any scalar, got ${describe(value)}`);
      return;
    case "any":
      return;
  }
}

/** Quantities may be written as numbers. */
function isQuantity(place: Place): boolean {
  return place !== undefined && isQuantityField(place.model, place.field);
}

function checkObject(
  schema: Schema & { type: "object" },
  value: unknown,
  path: Path,
  errors: string[],
  depth = 0,
): void {
  if (!isPlainObject(value)) {
    errors.push(`${path()}: expected map, got ${describe(value)}`);
    return;
  }
  const { fields } = modelOf(schema.ref);
  for (const name of Object.keys(value)) {
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (!field) errors.push(`${path()}.${name}: field not declared in schema`);
    else check(field, value[name], () => `${path()}.${name}`, errors, { model: schema.ref, field: name }, depth + 1);
  }
}

/** Items of associative lists need their keys, and each may stand there once. */
function checkList(
  schema: Schema & { type: "array" },
  items: readonly unknown[],
  path: Path,
  errors: string[],
  place: Place,
  depth: number,
): void {
  const type = place && listTypeOf(place.model, place.field);
  const keys = type === "map" && place ? [...(listMapKeysOf(place.model, place.field) ?? [])].sort() : undefined;
  const seen = new Set<string>();
  for (const [i, item] of items.entries()) {
    if (errors.length >= MAX_ERRORS) return;
    if (!keys && type !== "set") {
      check(schema.items, item, () => `${path()}[${i}]`, errors, undefined, depth + 1);
      continue;
    }
    const element = keys ? namedItem(keys, item, path, i, errors) : valueElement(item);
    if (element === undefined) continue;
    if (seen.has(element)) errors.push(`${path()}: duplicate entries for key ${formatElements([element])}`);
    seen.add(element);
    check(schema.items, item, () => `${path()}${formatElements([element])}`, errors, undefined, depth + 1);
  }
}

function namedItem(
  keys: readonly string[],
  item: unknown,
  path: Path,
  index: number,
  errors: string[],
): string | undefined {
  const complain = (what: string) => {
    errors.push(`${path()}: element ${index}: ${what}`);
    return undefined;
  };
  if (item === null) return complain("associative list with keys may not have a null element");
  if (!isPlainObject(item)) return complain("associative list with keys may not have non-map elements");
  const element = keyElement(keys, item);
  if (element !== undefined) return element;
  const names = `[${keys.map((key) => JSON.stringify(key)).join(" ")}]`;
  return complain(
    `associative list with keys has an element that omits all key fields ${names} (and doesn't have default values for any key fields)`,
  );
}

/** A value as Go's printing of it begins. */
function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" ? `&{${goValue(value)}}` : String(value);
}

function goValue(value: unknown, depth = 0): string {
  if (value === null || value === undefined) return "<nil>";
  if (depth > MAX_DEPTH || typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map((item) => goValue(item, depth + 1)).join(" ")}]`;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${members.map(([key, item]) => `${key}:${goValue(item, depth + 1)}`).join(" ")}]`;
}

function goType(value: unknown): string {
  if (typeof value === "string") return "string";
  if (typeof value === "boolean") return "bool";
  return Array.isArray(value) ? "[]interface {}" : "map[string]interface {}";
}

// The structural walk: one function per type, compiled from its model on first use and kept.
import { Base64Error, canonicalBase64 } from "./base64.ts";
import { DecodeError, type DecodeState, reportUnknown } from "./decode-state.ts";
import type { PathPart } from "./field-path.ts";
import { isQuantityField } from "./field-tables.ts";
import { goTypeOf, kindOf } from "./go-names.ts";
import { canonicalMicroTime, canonicalTime, TimeError } from "./go-time.ts";
import { modelOf } from "./models.ts";
import { copyJson, isPlainObject, setOwn } from "./plain-object.ts";
import { canonicalQuantity, QUANTITY_REGEX_MESSAGE, QuantityError } from "./quantity.ts";
import type { Schema } from "./schema.ts";
import { isLeftOut, zeroFieldsOf, zeroOf } from "./zero-values.ts";

/** Far beyond any real object; recursion stays well inside the stack. */
const MAX_DEPTH = 500;

const tooDeep = () => new DecodeError("exceeded max depth");

/** Checks a value and returns its canonical copy; throws DecodeError. */
export type Walk = (value: unknown, state: DecodeState) => unknown;

const walkers = new Map<string, Walk>();

/** The walk of a model: returns a fresh object, or throws DecodeError. */
export function walkerOf(model: string): Walk {
  const known = walkers.get(model);
  if (known) return known;
  const walk = compileModel(model);
  walkers.set(model, walk);
  return walk;
}

/** Where a value stands, for messages: the struct and the field names to it, without indexes and map keys. */
interface Place {
  readonly model: string;
  readonly field: string;
}

interface FieldWalk {
  readonly decode: Walk;
  readonly isLeftOut: ((value: unknown) => boolean) | undefined;
}

function compileModel(model: string): Walk {
  const { fields } = modelOf(model);
  // Compiled field by field on first use: types refer to each other in circles, and most fields are never set.
  const walks = new Map<string, FieldWalk | undefined>(Object.keys(fields).map((field) => [field, undefined]));
  const self: Schema = { type: "object", ref: model };
  const zeroFields = zeroFieldsOf(model);
  return (value, state) => {
    if (!isPlainObject(value)) throw mismatch(value, self, undefined, state.path);
    if (state.path.length > MAX_DEPTH) throw tooDeep();
    const out: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const member = value[key];
      let walk = walks.get(key);
      if (walk === undefined) {
        const schema = walks.has(key) ? fields[key] : undefined;
        if (!schema) {
          reportUnknown(state, key);
          continue;
        }
        walk = { decode: compile(schema, { model, field: key }), isLeftOut: isLeftOut(model, key, schema) };
        walks.set(key, walk);
      }
      // Upstream's types read null as absent.
      if (member === null || member === undefined) continue;
      state.path.push(key);
      const decoded = walk.decode(member, state);
      if (!walk.isLeftOut?.(decoded)) out[key] = decoded;
      state.path.pop();
    }
    for (const { field, schema } of zeroFields) if (out[field] === undefined) out[field] = fillZero(schema, state);
    return out;
  };
}

/** Objects fill in their own required fields in turn. */
function fillZero(schema: Schema, state: DecodeState): unknown {
  return schema.type === "object" ? walkerOf(schema.ref)({}, state) : zeroOf(schema);
}

/** What null stands for as an item or a map's value: the zero of its type, for quantities `0`. */
function nullItem(schema: Schema, place: Place): (state: DecodeState) => unknown {
  const isQuantity = schema.type === "string" && isQuantityField(place.model, place.field);
  return isQuantity ? () => "0" : (state) => fillZero(schema, state);
}

/** One closure per place, so that a walk asks no tables: decoding is the most frequent work of the apiserver. */
function compile(schema: Schema, place: Place): Walk {
  switch (schema.type) {
    case "object":
      return compileReference(schema, place);
    case "array":
      return compileArray(schema, place);
    case "map":
      return compileMap(schema, place);
    case "any":
      // Free-form values keep everything, null included.
      return (value) => copyJson(value, MAX_DEPTH, tooDeep);
    case "string":
      return compileString(schema, place);
    case "integer":
      return compileInteger(schema, place);
    case "boolean":
      return (value, state) => {
        if (typeof value !== "boolean") throw mismatch(value, schema, place, state.path);
        return value;
      };
    case "number":
      return (value, state) => {
        if (typeof value !== "number") throw mismatch(value, schema, place, state.path);
        if (!Number.isFinite(value)) throw mismatch(value, schema, place, state.path, `number ${value}`);
        return value;
      };
    case "int-or-string": {
      const integer = compileInteger({ type: "integer", format: "int32" }, place);
      return (value, state) => (typeof value === "string" ? value : integer(value, state));
    }
  }
}

function compileReference(schema: Schema & { type: "object" }, place: Place): Walk {
  let walk: Walk | undefined;
  return (value, state) => {
    // The struct that has the field is named in the message, not the one that was expected.
    if (!isPlainObject(value)) throw mismatch(value, schema, place, state.path);
    walk ??= walkerOf(schema.ref);
    return walk(value, state);
  };
}

function compileArray(schema: Schema & { type: "array" }, place: Place): Walk {
  const walk = compile(schema.items, place);
  const zero = nullItem(schema.items, place);
  return (value, state) => {
    if (!Array.isArray(value)) throw mismatch(value, schema, place, state.path);
    const out: unknown[] = new Array(value.length);
    for (let i = 0; i < value.length; i++) {
      state.path.push(i);
      // In lists and maps null is the zero value; only as a field it is absence.
      out[i] = value[i] === null ? zero(state) : walk(value[i], state);
      state.path.pop();
    }
    return out;
  };
}

function compileMap(schema: Schema & { type: "map" }, place: Place): Walk {
  const walk = compile(schema.values, place);
  const zero = nullItem(schema.values, place);
  // A key shows only in the paths of fields below it.
  const isNested = schema.values.type === "object";
  return (value, state) => {
    if (!isPlainObject(value)) throw mismatch(value, schema, place, state.path);
    const out: Record<string, unknown> = {};
    for (const key of Object.keys(value)) {
      const member = value[key];
      if (isNested) state.path.push({ key });
      setOwn(out, key, member === null ? zero(state) : walk(member, state));
      if (isNested) state.path.pop();
    }
    return out;
  };
}

function compileString(schema: Schema & { type: "string" }, place: Place): Walk {
  if (isQuantityField(place.model, place.field)) return walkQuantity;
  const canonical = canonicalForm(schema.format);
  return (value, state) => {
    if (typeof value !== "string") throw mismatch(value, schema, place, state.path);
    return canonical ? explain(canonical, value) : value;
  };
}

function canonicalForm(format: string | undefined): ((text: string) => string) | undefined {
  switch (format) {
    case "byte":
      return canonicalBase64;
    case "date-time":
      return canonicalTime;
    case "date-time-micro":
      return canonicalMicroTime;
    default:
      return undefined;
  }
}

// Numbers are quantities too: `cpu: 1` is common in YAML.
function walkQuantity(value: unknown): string {
  if (typeof value === "string") return explain(canonicalQuantity, value);
  if (typeof value === "number") return explain(canonicalQuantity, String(value));
  throw new DecodeError(QUANTITY_REGEX_MESSAGE);
}

/** The canonical text, or its error as one of decoding. */
function explain(canonical: (text: string) => string, text: string): string {
  try {
    return canonical(text);
  } catch (error) {
    const isExpected = error instanceof QuantityError || error instanceof TimeError || error instanceof Base64Error;
    if (isExpected) throw new DecodeError(error.message, { cause: error });
    throw error;
  }
}

/** `1.0` passes, which Go refuses: JSON.parse does not tell it from `1`. `1.5` and what does not fit are refused with the number. */
function compileInteger(schema: Schema & { type: "integer" }, place: Place): Walk {
  const limit = schema.format === "int32" ? 2 ** 31 : 2 ** 63;
  return (value, state) => {
    if (typeof value !== "number") throw mismatch(value, schema, place, state.path);
    if (!Number.isInteger(value) || value < -limit || value >= limit) {
      throw mismatch(value, schema, place, state.path, `number ${value}`);
    }
    // -0 would be written as 0 anyway, and compares oddly.
    return value === 0 ? 0 : value;
  };
}

/** Go's UnmarshalTypeError; without a place it is the document itself. */
function mismatch(
  value: unknown,
  expected: Schema,
  place: Place | undefined,
  path: readonly PathPart[],
  described = describeValue(value),
): DecodeError {
  const type = goTypeOf(expected);
  if (!place) return new DecodeError(`json: cannot unmarshal ${described} into Go value of type ${type}`);
  const fields = path.filter((part) => typeof part === "string").join(".");
  return new DecodeError(
    `json: cannot unmarshal ${described} into Go struct field ${kindOf(place.model)}.${fields} of type ${type}`,
  );
}

/** What Go's decoder calls a JSON value. */
function describeValue(value: unknown): string {
  if (Array.isArray(value)) return "array";
  switch (typeof value) {
    case "string":
    case "number":
      return typeof value;
    case "boolean":
      return "bool";
    default:
      return value === null ? "null" : "object";
  }
}

// Bodies in upstream's protobuf form, as the JSON value they stand for: what current clients send for built-in kinds.
import { badRequest } from "@skiff/api/errors.ts";
import { isQuantityField } from "@skiff/api/field-tables.ts";
import { KINDS, OPTIONAL_KINDS } from "@skiff/api/kinds/index.ts";
import { VIRTUAL_KINDS } from "@skiff/api/kinds/virtual-kinds.ts";
import { modelOf } from "@skiff/api/models.ts";
import { groupVersion } from "@skiff/api/object.ts";
import { documentedAs } from "@skiff/api/older-models.ts";
import type { Schema } from "@skiff/api/schema.ts";
import { isLeftOut } from "@skiff/api/zero-values.ts";
import { decodeLooseValue } from "./decode-loose-value.ts";
import { FIELD_NUMBERS } from "./field-numbers.ts";
import { FIELD_NUMBERS_OF_DEVICES } from "./field-numbers-of-devices.ts";
import { FIELD_NUMBERS_OF_EXTENSIONS } from "./field-numbers-of-extensions.ts";
import { FIELD_NUMBERS_OF_OLDER_VERSIONS } from "./field-numbers-of-older-versions.ts";
import { FIELD_NUMBERS_OF_OTHER_GROUPS } from "./field-numbers-of-other-groups.ts";
import { bytesOf, double, fieldMap, malformed, readFields, signed, textOf, type WireValue } from "./wire-reader.ts";

/** What client-go sends for built-in kinds when its content type is set to protobuf. */
export const PROTOBUF_MEDIA_TYPE = "application/vnd.kubernetes.protobuf";

/** Throws 400 for bytes that are no such message and for kinds without field numbers. */
export function decodeProtobuf(body: Buffer): unknown {
  if (!body.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw badRequest("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  }
  const envelope = fieldMap(body.subarray(MAGIC.length));
  const types = fieldMap(bytesOf(envelope.get(1) ?? EMPTY));
  const apiVersion = textOf(types.get(1) ?? EMPTY);
  const kind = textOf(types.get(2) ?? EMPTY);
  const model = findModel(apiVersion, kind);
  const object = decodeMessage(bytesOf(envelope.get(2) ?? EMPTY), model, model, {}, 0);
  return { apiVersion, kind, ...object };
}

/**
 * The four bytes by which upstream's protobuf is told from others. A runtime.Unknown follows: type in field 1, object
 * in field 2.
 */
const MAGIC = Buffer.from("k8s\0", "latin1");
const EMPTY = new Uint8Array();
/** Messages are read by recursion, and each level takes only a few bytes of a body. */
const MAX_DEPTH = 100;

function findModel(apiVersion: string, kind: string): string {
  const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
  // Every group has DeleteOptions of its own, all alike.
  const model = modelFor(group, apiVersion, kind) ?? (kind === "DeleteOptions" ? kind : "");
  if (!tableOf(model)) {
    throw badRequest(`no kind "${kind}" is registered for version "${apiVersion}" in its protobuf form: send JSON`);
  }
  return model;
}

/** Of virtual kinds the group alone is compared. */
function modelFor(group: string, apiVersion: string, kind: string): string | undefined {
  for (const known of [...KINDS, ...OPTIONAL_KINDS]) {
    if (known.kind !== kind) continue;
    const { group: own, version, model } = known;
    const versions = [{ version, model, group: own }, ...(known.otherVersions ?? [])];
    const found = versions.find((served) => groupVersion(served.group ?? own, served.version) === apiVersion);
    if (found) return found.model;
  }
  return VIRTUAL_KINDS.find((known) => known.kind === kind && known.group === group)?.model;
}

function tableOf(model: string): string | undefined {
  return FIELD_NUMBERS_OF_OLDER_VERSIONS[model] ?? currentTableOf(model) ?? currentTableOf(documentedAs(model));
}

function currentTableOf(model: string): string | undefined {
  return (
    FIELD_NUMBERS[model] ??
    FIELD_NUMBERS_OF_OTHER_GROUPS[model] ??
    FIELD_NUMBERS_OF_EXTENSIONS[model] ??
    FIELD_NUMBERS_OF_DEVICES[model]
  );
}

/** The fields of a model that have a number; those of embedded messages belong to it. None for models without a table. */
export function fieldNamesOf(model: string): string[] {
  const names = [...numbersOf(model).values()];
  return names.flatMap((name) => (name.startsWith(">") ? fieldNamesOf(name.slice(1)) : [name]));
}

type Value = Record<string, unknown>;

/** Reads a message laid out as `table` says into an object of type `model`. */
function decodeMessage(bytes: Uint8Array, model: string, table: string, into: Value, depth: number): Value {
  if (depth > MAX_DEPTH) throw badRequest("the object is nested too deeply");
  const names = numbersOf(table);
  const { fields } = modelOf(model);
  for (const { number, value } of readFields(bytes)) {
    const name = names.get(number);
    if (name === undefined) continue;
    if (name.startsWith(">")) {
      decodeMessage(bytesOf(value), model, name.slice(1), into, depth + 1);
      continue;
    }
    const schema = fields[name];
    if (schema) decodeField(into, name, schema, value, { model, name, depth });
  }
  return into;
}

/** Which field is being read: some of its rules are in no schema. */
interface Place {
  readonly model: string;
  readonly name: string;
  readonly depth: number;
}

function decodeField(into: Value, name: string, schema: Schema, value: WireValue, place: Place): void {
  if (schema.type === "array") {
    into[name] ??= [];
    (into[name] as unknown[]).push(...decodeItems(schema.items, value, place));
  } else if (schema.type === "map") {
    into[name] ??= {};
    const entry = fieldMap(bytesOf(value));
    const key = textOf(entry.get(1) ?? EMPTY);
    // Null-prototype semantics: a key such as __proto__ is data.
    const decoded = decodeMapValue(schema.values, entry.get(2), place);
    Object.defineProperty(into[name], key, { value: decoded, enumerable: true, configurable: true, writable: true });
  } else {
    const decoded = decodeValue(schema, value, place);
    // Upstream writes plain fields even when nobody set them; JSON's omitempty drops what is empty of those.
    if (decoded === undefined || isLeftOut(place.model, name, schema)?.(decoded)) return;
    // The zero time is no time.
    if (decoded === "" && schema.type === "string" && schema.format?.startsWith("date-time")) return;
    into[name] = decoded;
  }
}

/** One item of a list, or several when numbers came packed. */
function decodeItems(items: Schema, value: WireValue, place: Place): unknown[] {
  // Upstream writes proto2, in which lists of numbers are never packed.
  if (items.type === "integer" && typeof value !== "bigint") {
    throw badRequest(`packed numbers are not expected in ${place.model}.${place.name}`);
  }
  return [decodeValue(items, value, place)];
}

function decodeMapValue(values: Schema, value: WireValue | undefined, place: Place): unknown {
  if (values.type === "array") {
    // A list inside a map is a message of its own (ExtraValue) with the items as its first field.
    return [...readFields(bytesOf(value ?? EMPTY))].map((item) => decodeValue(values.items, item.value, place));
  }
  return decodeValue(values, value ?? EMPTY, place);
}

function decodeValue(schema: Schema, value: WireValue, place: Place): unknown {
  switch (schema.type) {
    case "string":
      return decodeString(schema.format, value, place);
    case "integer":
      return signed(value);
    case "number":
      return double(value);
    case "boolean":
      return signed(value) !== 0;
    case "int-or-string":
      return decodeIntOrString(bytesOf(value));
    case "object":
      return decodeMessage(bytesOf(value), schema.ref, schema.ref, {}, place.depth + 1);
    case "any":
      return decodeLooseValue(place.model, place.name, bytesOf(value), (bytes) =>
        decodeMessage(bytes, place.model, place.model, {}, place.depth + 1),
      );
    default:
      throw malformed();
  }
}

function decodeString(format: string | undefined, value: WireValue, { model, name }: Place): string {
  if (format === "byte") return Buffer.from(bytesOf(value)).toString("base64");
  if (format === "date-time" || format === "date-time-micro") return decodeTime(bytesOf(value), format);
  // A quantity is a message around its text.
  if (isQuantityField(model, name)) return textOf(fieldMap(bytesOf(value)).get(1) ?? EMPTY);
  return textOf(value);
}

/** Seconds and nanoseconds; the zero time is written as an empty message and means none. */
function decodeTime(bytes: Uint8Array, format: "date-time" | "date-time-micro"): string {
  const parts = fieldMap(bytes);
  const seconds = signed(parts.get(1) ?? 0n);
  if (parts.size === 0 || seconds === ZERO_TIME_SECONDS) return "";
  const micros = Math.floor(signed(parts.get(2) ?? 0n) / 1000);
  const iso = new Date(seconds * 1000).toISOString().slice(0, 19);
  return format === "date-time" ? `${iso}Z` : `${iso}.${String(micros).padStart(6, "0")}Z`;
}

/** Year 1, Go's zero time. */
const ZERO_TIME_SECONDS = -62_135_596_800;

/** Field 1 says which it is: 0 a number in field 2, 1 a text in field 3. */
function decodeIntOrString(bytes: Uint8Array): number | string {
  const parts = fieldMap(bytes);
  return signed(parts.get(1) ?? 0n) === 1 ? textOf(parts.get(3) ?? EMPTY) : signed(parts.get(2) ?? 0n);
}

const tables = new Map<string, ReadonlyMap<number, string>>();

/** A table is a list of field names in the order of their numbers; `7:name` goes on from 7. */
function numbersOf(table: string): ReadonlyMap<number, string> {
  const known = tables.get(table);
  if (known) return known;
  const names = new Map<number, string>();
  let number = 0;
  for (const part of (tableOf(table) ?? "").split(" ").filter(Boolean)) {
    const [, count, name = ""] = /^(?:(\d+):)?(.+)$/.exec(part) ?? [];
    number = count ? Number(count) : number + 1;
    names.set(number, name);
  }
  tables.set(table, names);
  return names;
}

// What both protobuf forms of OpenAPI share: named pairs, values as YAML texts, vendor extensions, and reading loose JSON.
import { stringify } from "yaml";
import type { Json, JsonObject } from "./json-schema.ts";
import { MessageWriter } from "./protobuf-writer.ts";

/** A message whose only fields are (name, value) pairs. */
export function named(field: number, entries: JsonObject, encode: (value: JsonObject) => MessageWriter): MessageWriter {
  const writer = new MessageWriter();
  for (const [name, value] of Object.entries(entries)) {
    writer.message(field, new MessageWriter().string(1, name).message(2, encode(objectOf(value))));
  }
  return writer;
}

/** Vendor extensions travel as YAML texts. */
export function extensions(field: number, spec: JsonObject, writer: MessageWriter): MessageWriter {
  for (const [name, value] of Object.entries(spec)) {
    if (!name.startsWith("x-") || value === undefined) continue;
    writer.message(field, new MessageWriter().string(1, name).message(2, anyValue(value)));
  }
  return writer;
}

/** gnostic's Any: the YAML text of a value in field 2. */
export function anyValue(value: Json): MessageWriter {
  return new MessageWriter().string(2, stringify(value));
}

/** The value where it is an object, else an empty one. */
export function objectOf(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

/** The value where it is a list, else an empty one. */
export function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

/** Undefined for anything but a string, which the writer then leaves out. */
export function textOf(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

/** The strings of a list. */
export function textsOf(value: Json | undefined): readonly string[] {
  return listOf(value).filter((item) => typeof item === "string");
}

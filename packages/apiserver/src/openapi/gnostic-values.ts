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

export function anyValue(value: Json): MessageWriter {
  return new MessageWriter().string(2, stringify(value));
}

export function objectOf(value: Json | undefined): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

export function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : [];
}

export function textOf(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function textsOf(value: Json | undefined): readonly string[] {
  return listOf(value).filter((item) => typeof item === "string");
}

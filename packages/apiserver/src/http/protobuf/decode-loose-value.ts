// Fields that JSON lets be one thing or another, and protobuf wraps into messages that say which.
import { bytesOf, fieldMap, malformed, readFields, signed, textOf } from "./wire-reader.ts";

/**
 * The value of such a field of a model; `decodeSchema` reads a JSONSchemaProps. Everything else that is loose (RawExtension, FieldsV1,
 * JSON) is a message around JSON text.
 */
export function decodeLooseValue(
  model: string,
  field: string,
  bytes: Uint8Array,
  decodeSchema: (bytes: Uint8Array) => unknown,
): unknown {
  // The subresource is there or not, and says nothing more.
  if (model === "CustomResourceSubresources") return {};
  if (model !== "JSONSchemaProps") return decodeJson(bytes);
  if (field === "items") return schemaOr(bytes, decodeSchema, (list) => list.map(decodeSchema));
  if (field === "dependencies") return schemaOr(bytes, decodeSchema, (list) => list.map(textOf));
  if (field !== "additionalProperties" && field !== "additionalItems") return decodeJson(bytes);
  const parts = fieldMap(bytes);
  const schema = parts.get(2);
  return schema === undefined ? signed(parts.get(1) ?? 0n) !== 0 : decodeSchema(bytesOf(schema));
}

/** One schema in the first field, or a list in the second. */
function schemaOr(
  bytes: Uint8Array,
  decodeSchema: (bytes: Uint8Array) => unknown,
  read: (list: Uint8Array[]) => unknown,
): unknown {
  const fields = [...readFields(bytes)];
  const schema = fields.findLast(({ number }) => number === 1);
  if (schema) return decodeSchema(bytesOf(schema.value));
  return read(fields.filter(({ number }) => number === 2).map(({ value }) => bytesOf(value)));
}

/** Field 1 is JSON text; undefined where it is missing. */
function decodeJson(bytes: Uint8Array): unknown {
  const raw = fieldMap(bytes).get(1);
  if (raw === undefined) return undefined;
  try {
    return JSON.parse(textOf(raw));
  } catch {
    throw malformed();
  }
}

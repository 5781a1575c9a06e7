// Models as JSON schemas, in the two dialects of OpenAPI that clients read.
import { describe } from "@skiff/api/descriptions.ts";
import {
  enumOf,
  isQuantityField,
  listMapKeysOf,
  listTypeOf,
  mapTypeOf,
  mergeKeyOf,
  modelMapTypeOf,
  patchStrategyOf,
} from "@skiff/api/field-tables.ts";
import { modelOf } from "@skiff/api/models.ts";
import type { Schema } from "@skiff/api/schema.ts";
import type { DefinitionNames } from "./definition-names.ts";
import { FIELDS_V1, INT_OR_STRING, MICRO_TIME, PATCH, QUANTITY, RAW_EXTENSION, TIME } from "./definition-names.ts";

/** Undefined members are left out when it is written. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };
/** An object under construction. */
export type JsonObject = { [key: string]: Json | undefined };

/** v2 lets a reference carry a description beside it; v3 wants it wrapped. */
export type Dialect = "v2" | "v3";

/** Where the document keeps its definitions. */
export function refPath(dialect: Dialect, name: string): string {
  return `${dialect === "v2" ? "#/definitions/" : "#/components/schemas/"}${name}`;
}

/** The schema of one model, without its group, version and kind. */
export function modelSchema(model: string, names: DefinitionNames, dialect: Dialect): JsonObject {
  const { fields, required } = modelOf(model);
  const properties: JsonObject = {};
  for (const [field, schema] of Object.entries(fields))
    properties[field] = fieldSchema(model, field, schema, names, dialect);
  const description = describe(model);
  return {
    ...(description ? { description } : {}),
    type: "object",
    ...(Object.keys(properties).length > 0 ? { properties } : {}),
    ...(required.length > 0 ? { required: [...required] } : {}),
    ...(modelMapTypeOf(model) === "atomic" ? { "x-kubernetes-map-type": "atomic" } : {}),
  };
}

function fieldSchema(
  model: string,
  field: string,
  schema: Schema,
  names: DefinitionNames,
  dialect: Dialect,
): JsonObject {
  const description = describe(model, field);
  // Quantities are strings in the models; only the field says that it is one.
  const leaf = isQuantityField(model, field) ? QUANTITY : anyName(model, field);
  const words = enumOf(model, field);
  const type = withWords(typeSchema(schema, leaf, names, dialect), words);
  // In OpenAPI 3.0 whatever stands beside a $ref is ignored.
  const wrapped = "$ref" in type && dialect === "v3" ? { allOf: [type], ...defaultOf(schema) } : type;
  return {
    ...(description ? { description } : {}),
    ...wrapped,
    ...extensionsOf(model, field),
  };
}

/** The words that a text may be, or each text of a list. */
function withWords(type: JsonObject, words: readonly string[] | undefined): JsonObject {
  if (!words || (type.type !== "string" && type.type !== "array")) return type;
  if (type.type === "string") return { ...type, enum: [...words] };
  return { ...type, items: { ...(type.items as JsonObject), enum: [...words] } };
}

/** Upstream writes an empty default beside each reference to a struct. */
function defaultOf(schema: Schema): JsonObject {
  return schema.type === "object" ? { default: {} } : {};
}

/** `leaf` names the definition that stands for strings or untyped values at the bottom of lists and maps. */
function typeSchema(schema: Schema, leaf: string | undefined, names: DefinitionNames, dialect: Dialect): JsonObject {
  const reference = (name: string): JsonObject => ({ $ref: refPath(dialect, name) });
  const inner = (item: Schema): JsonObject => {
    const type = typeSchema(item, leaf, names, dialect);
    return "$ref" in type && dialect === "v3" ? { allOf: [type], ...defaultOf(item) } : type;
  };
  switch (schema.type) {
    case "string":
      if (schema.format === "date-time") return reference(TIME);
      if (schema.format === "date-time-micro") return reference(MICRO_TIME);
      if (schema.format === "byte") return { type: "string", format: "byte" };
      return leaf ? reference(leaf) : { type: "string" };
    case "integer":
      return { type: "integer", format: schema.format || "int64" };
    case "number":
      return { type: "number", format: "double" };
    case "boolean":
      return { type: "boolean" };
    case "int-or-string":
      return reference(INT_OR_STRING);
    // Untyped values are RawExtension upstream, where a field does not say more.
    case "any":
      return reference(leaf ?? RAW_EXTENSION);
    case "array":
      return { type: "array", items: inner(schema.items) };
    case "map":
      return { type: "object", additionalProperties: inner(schema.values) };
    case "object":
      return reference(names.nameOf(schema.ref));
  }
}

/** The one untyped field that has a definition of its own. */
function anyName(model: string, field: string): string | undefined {
  return model === "ManagedFieldsEntry" && field === "fieldsV1" ? FIELDS_V1 : undefined;
}

/** What strategic merge patch and server-side apply need to know of lists and maps: kubectl merges by these keys. */
function extensionsOf(model: string, field: string): JsonObject {
  const found: [string, Json | undefined][] = [
    ["x-kubernetes-list-map-keys", listMapKeysOf(model, field)],
    ["x-kubernetes-list-type", listTypeOf(model, field)],
    ["x-kubernetes-map-type", mapTypeOf(model, field)],
    ["x-kubernetes-patch-merge-key", mergeKeyOf(model, field)],
    ["x-kubernetes-patch-strategy", patchStrategyOf(model, field)],
  ];
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

/** Types that have no model of their own. */
export function primitiveDefinitions(dialect: Dialect): Readonly<Record<string, JsonObject>> {
  const number = dialect === "v3" ? { oneOf: [{ type: "string" }, { type: "number" }] } : { type: "string" };
  const intOrString =
    dialect === "v3"
      ? { format: "int-or-string", oneOf: [{ type: "integer" }, { type: "string" }] }
      : { type: "string", format: "int-or-string" };
  return {
    [QUANTITY]: { description: "A fixed-point number with a unit suffix such as 500m, 64Mi or 2G.", ...number },
    [INT_OR_STRING]: { description: "A whole number or a text, such as a port or a percentage.", ...intOrString },
    [TIME]: { description: "A time in RFC 3339 format, to the second.", type: "string", format: "date-time" },
    [MICRO_TIME]: {
      description: "A time in RFC 3339 format, to the microsecond.",
      type: "string",
      format: "date-time",
    },
    [FIELDS_V1]: { description: "A set of fields as a tree in JSON.", type: "object" },
    [PATCH]: { description: "The body of a PATCH request; its shape follows from the content type.", type: "object" },
    [RAW_EXTENSION]: { description: "An object of any kind.", type: "object" },
  };
}

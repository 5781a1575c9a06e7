// Whether the tables of field numbers hold every field of every model that a body may contain.
import assert from "node:assert/strict";
import { test } from "node:test";
import { KINDS, OPTIONAL_KINDS } from "@skiff/api/kinds/index.ts";
import { modelOf } from "@skiff/api/models.ts";
import type { Schema } from "@skiff/api/schema.ts";
import { fieldNamesOf } from "./decode-protobuf.ts";

test("every field of every model has its number in protobuf", () => {
  const missing: string[] = [];
  const seen = new Set<string>();
  const walk = (model: string): void => {
    if (seen.has(model)) return;
    seen.add(model);
    const names = new Set(fieldNamesOf(model));
    if (names.size === 0) return void missing.push(model);
    for (const [field, schema] of Object.entries(modelOf(model).fields)) {
      if (field === "apiVersion" || field === "kind") continue;
      if (names.has(field)) walkSchema(schema);
      else missing.push(`${model}.${field}`);
    }
  };
  const walkSchema = (schema: Schema): void => {
    if (schema.type === "array") walkSchema(schema.items);
    else if (schema.type === "map") walkSchema(schema.values);
    else if (schema.type === "object") walk(schema.ref);
  };
  for (const { model } of [...KINDS, ...OPTIONAL_KINDS]) walk(model);
  assert.deepEqual(missing, []);
});

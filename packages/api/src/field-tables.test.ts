// The tables of merge keys, quantities and enumerations agree with the models.
import assert from "node:assert/strict";
import { test } from "node:test";
import { enumTable } from "./field-facts/enums.ts";
import { mergeTable } from "./field-facts/merge.ts";
import { mergeTableOfOtherGroups } from "./field-facts/merge-other-groups.ts";
import { quantityTable } from "./field-facts/quantities.ts";
import { isQuantityField, listMapKeysOf, listTypeOf, mergeKeyOf, patchStrategyOf } from "./field-tables.ts";
import { hasModel, modelOf } from "./models.ts";
import type { Schema } from "./schema.ts";

function fieldOf(model: string, field: string): Schema | undefined {
  const name = [model, `V1alpha1${model}`, `V1beta1${model}`, `V1alpha3${model}`].find(hasModel);
  return name ? modelOf(name).fields[field] : undefined;
}

test("field tables name only fields that exist, as lists where they speak of lists", () => {
  const wrong: string[] = [];
  for (const [model, fields] of [...mergeTable, ...mergeTableOfOtherGroups]) {
    for (const [field, facts] of fields) {
      const schema = fieldOf(model, field);
      if (!schema || (facts.listType && schema.type !== "array")) wrong.push(`${model}.${field}`);
      if (facts.listType === "map" && schema?.type === "array" && schema.items.type === "object") {
        const item = modelOf(schema.items.ref);
        for (const key of facts.listMapKeys ?? []) if (!item.fields[key]) wrong.push(`${model}.${field}[${key}]`);
      }
    }
  }
  for (const [model, fields] of quantityTable) {
    for (const field of fields) if (!fieldOf(model, field)) wrong.push(`${model}.${field}`);
  }
  for (const key of enumTable.keys()) {
    const [model = "", field = ""] = key.split(".");
    const schema = fieldOf(model, field);
    // Of a list, the words are those of its items.
    const text = schema?.type === "array" ? schema.items : schema;
    if (text?.type !== "string") wrong.push(key);
  }
  assert.deepEqual(wrong, []);
});

test("field tables tell the older merge's key from apply's keys", () => {
  assert.equal(mergeKeyOf("ServiceSpec", "ports"), "port");
  assert.deepEqual(listMapKeysOf("ServiceSpec", "ports"), ["port", "protocol"]);
  assert.equal(patchStrategyOf("PodSpec", "volumes"), "merge,retainKeys");
  assert.equal(patchStrategyOf("DeploymentSpec", "strategy"), "retainKeys");
  assert.equal(listTypeOf("ObjectMeta", "finalizers"), "set");
  assert.equal(mergeKeyOf("PodSpec", "tolerations"), undefined);
});

test("field tables let alpha and beta types follow the stable one", () => {
  assert.equal(listTypeOf("V1beta1Device", "taints"), "atomic");
  assert.equal(isQuantityField("V1beta2Counter", "value"), true);
});

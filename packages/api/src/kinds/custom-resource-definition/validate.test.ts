// What a stored definition may keep although a new one could not have it.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CustomResourceDefinition, JSONSchemaProps } from "../../../generated/types.ts";
import { validateDefinition, validateDefinitionUpdate } from "./validate.ts";

function definition(field: JSONSchemaProps, annotations: Record<string, string> = {}): CustomResourceDefinition {
  const openAPIV3Schema = { type: "object", properties: { spec: { type: "object", properties: { a: field } } } };
  return {
    metadata: { name: "foos.x.k8s.io", annotations } as CustomResourceDefinition["metadata"],
    spec: {
      ...{ group: "x.k8s.io", scope: "Namespaced" },
      names: { plural: "foos", singular: "foo", kind: "Foo", listKind: "FooList" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema } }],
    },
    status: { storedVersions: ["v1"] } as NonNullable<CustomResourceDefinition["status"]>,
  };
}

const approved = { "api-approved.kubernetes.io": "https://github.com/kubernetes/kubernetes/pull/1" };
const set: JSONSchemaProps = { type: "array", "x-kubernetes-list-type": "set", items: { type: "object" } };
const unpruned: JSONSchemaProps = { type: "object", default: { b: 1 } };
const text: JSONSchemaProps = { type: "string" };

test("newer demands hold for new definitions and for those that met them", () => {
  for (const field of [set, unpruned]) {
    assert.equal(validateDefinition(definition(field, approved)).length, 1);
    assert.deepEqual(validateDefinitionUpdate(definition(field, approved), definition(field, approved)), []);
    assert.equal(validateDefinitionUpdate(definition(field, approved), definition(text, approved)).length, 1);
  }
});

test("a definition in a group of the community says who approved it, unless it never did", () => {
  const [error] = validateDefinition(definition(text));
  assert.equal(error?.field, "metadata.annotations[api-approved.kubernetes.io]");
  assert.deepEqual(validateDefinition(definition(text, approved)), []);
  assert.deepEqual(validateDefinition(definition(text, { "api-approved.kubernetes.io": "unapproved, a trial" })), []);
  assert.equal(validateDefinition(definition(text, { "api-approved.kubernetes.io": "yes" })).length, 1);
  assert.deepEqual(validateDefinitionUpdate(definition(text), definition(text)), []);
  assert.equal(validateDefinitionUpdate(definition(text), definition(text, approved)).length, 1);
});

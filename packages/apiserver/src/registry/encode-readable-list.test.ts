// Lists as YAML and indented JSON: put together from parts they are the same as made in one go.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findKind } from "@skiff/api/kinds/index.ts";
import type { Answer } from "../http/endpoint.ts";
import { formatYaml } from "../http/format-yaml.ts";
import { StoredObject, storageKind } from "../storage/stored-object.ts";
import { encodeReadableList } from "./encode-readable-list.ts";

const definition = findKind("", "pods");
assert.ok(definition);
const kind = storageKind(definition);

function stored(i: number): StoredObject {
  const object = {
    kind: "Pod",
    apiVersion: "v1",
    metadata: { name: `p${i}`, namespace: "d", annotations: { a: "items: []\n]" } },
    spec: {},
  };
  return new StoredObject(kind, `d/p${i}`, i + 1, Buffer.from(JSON.stringify(object)));
}

function listOf(some: readonly StoredObject[]): object {
  return {
    kind: "PodList",
    apiVersion: "v1",
    metadata: { resourceVersion: "7" },
    items: some.map((object) => object.object()),
  };
}

async function textOf(answer: Answer): Promise<string> {
  if ("bytes" in answer) return String(answer.bytes);
  assert.ok("stream" in answer);
  const chunks: Buffer[] = [];
  for await (const chunk of answer.stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

for (const count of [0, 1, 16, 17, 100]) {
  test(`encodeReadableList writes ${count} objects as they would be written at once`, async () => {
    const objects = Array.from({ length: count }, (_, i) => stored(i));
    const yaml = await textOf(encodeReadableList(listOf, "items", objects, "yaml"));
    assert.equal(yaml, formatYaml(listOf(objects)));
    const json = await textOf(encodeReadableList(listOf, "items", objects, "json"));
    assert.equal(json, `${JSON.stringify(listOf(objects), null, 2)}\n`);
  });
}

test("encodeReadableList makes no more than a few objects before others get their turn", () => {
  let most = 0;
  const counted = (some: readonly StoredObject[]) => {
    most = Math.max(most, some.length);
    return listOf(some);
  };
  const objects = Array.from({ length: 1000 }, (_, i) => stored(i));
  const answer = encodeReadableList(counted, "items", objects, "yaml");
  assert.ok("stream" in answer);
  answer.stream.read();
  assert.ok(most > 0 && most <= 50);
});

// Lists in parts: every byte once, as many as announced, whatever the sizes of the objects and the pace of the reader.
import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { findKind } from "@skiff/api/kinds/index.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { PartsStream, sendParts } from "../http/body-parts.ts";
import type { Answer } from "../http/endpoint.ts";
import { encodeForStorage, StoredObject, storageKind } from "../storage/stored-object.ts";
import { encodeList } from "./encode-list.ts";
import { encodePartialList } from "./encode-table.ts";

const definition = findKind("", "configmaps");
assert.ok(definition);
const kind = storageKind(definition);

function stored(name: string, size: number): StoredObject {
  const object = { metadata: { name, namespace: "d" }, data: { é: "x".repeat(size) } } as unknown as KubeObject;
  return new StoredObject(kind, `d/${name}`, 41 + size, encodeForStorage(kind, object));
}

/** Some fit many into a part, some fill one to its last byte, one is larger. */
const sizes = [10, 130_000, ...Array.from({ length: 300 }, (_, i) => 100 + i * 17), 131_072, 400_000, 1];
const objects = sizes.map((size, i) => stored(`o${i}`, size));

/** Takes its time for each part and then looks at it, as a connection does. */
function slowReader(): { sink: Writable; taken: Buffer[] } {
  const taken: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, callback) {
      setImmediate(() => {
        taken.push(Buffer.from(chunk));
        callback();
      });
    },
  });
  return { sink, taken };
}

function partsOf(answer: Answer): PartsStream {
  assert.ok("stream" in answer && answer.stream instanceof PartsStream);
  return answer.stream;
}

for (const [name, make] of [
  ["encodeList", () => encodeList(kind, objects, { resourceVersion: "9" })],
  ["encodePartialList", () => encodePartialList(objects, { resourceVersion: "9" }, "v1")],
] as const) {
  test(`${name} brings each object once, in memory that is used again`, async () => {
    const { sink, taken } = slowReader();
    await sendParts(partsOf(make()).parts, sink);
    const bytes = Buffer.concat(taken);
    const list = JSON.parse(bytes.toString()) as { items: KubeObject[] };
    assert.deepEqual(
      list.items.map(({ metadata }) => metadata.name),
      objects.map((object) => object.name),
    );
    assert.deepEqual(await buffer(partsOf(make())), bytes);
  });
}

test("encodeList announces the length of what it sends", async () => {
  for (const count of [2, 30, objects.length]) {
    const answer = encodeList(kind, objects.slice(-count), { resourceVersion: "9", continue: "ü" });
    assert.ok("stream" in answer);
    assert.equal(answer.length, (await buffer(partsOf(answer))).length);
  }
});

test("encodeList of few objects, or none, is one buffer", () => {
  for (const few of [[], objects.slice(0, 1), objects.slice(5, 20)]) {
    const answer = encodeList(kind, few, { resourceVersion: "9" });
    assert.ok("bytes" in answer);
    const list = JSON.parse(answer.bytes.toString()) as { items: unknown[] };
    assert.equal(list.items.length, few.length);
  }
});

test("sendParts rejects when its reader goes away", async () => {
  const { sink } = slowReader();
  const sent = sendParts(partsOf(encodeList(kind, objects, { resourceVersion: "9" })).parts, sink);
  sink.destroy();
  await assert.rejects(sent);
});

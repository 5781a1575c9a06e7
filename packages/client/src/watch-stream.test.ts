// Lines and events out of bytes cut anywhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ConnectionError } from "./connection-error.ts";
import { decodeWatch, splitLines } from "./watch-stream.ts";

async function* bytes(text: string, size: number) {
  const all = Buffer.from(text);
  for (let at = 0; at < all.length; at += size) yield all.subarray(at, at + size);
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test("splitLines finds the same lines however the bytes are cut, also within a character", async () => {
  const text = "äöü\nsecond 🐄 line\n\nlast";
  for (let size = 1; size < 20; size++) {
    assert.deepEqual(await collect(splitLines(bytes(text, size))), ["äöü", "second 🐄 line", ""], `size ${size}`);
  }
});

test("splitLines refuses a line without end", async () => {
  await assert.rejects(collect(splitLines(bytes("x".repeat(100), 10), 50)), ConnectionError);
});

test("decodeWatch throws the Status of an ERROR event after the events before it", async () => {
  const added = { type: "ADDED", object: { metadata: { name: "a" } } };
  const error = { type: "ERROR", object: { kind: "Status", code: 410, reason: "Expired", message: "too old" } };
  const seen: string[] = [];
  const read = async () => {
    const text = `${JSON.stringify(added)}\n${JSON.stringify(error)}\n`;
    for await (const event of decodeWatch(bytes(text, 7))) seen.push(event.type);
  };
  await assert.rejects(read, { code: 410, reason: "Expired" });
  assert.deepEqual(seen, ["ADDED"]);
});

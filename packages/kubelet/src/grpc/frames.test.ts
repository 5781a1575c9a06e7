import assert from "node:assert/strict";
import { test } from "node:test";
import { FrameReader, frame } from "./frames.ts";

test("frame reader finds the same messages however their bytes are cut", () => {
  const messages = ["", "a", "some longer message", "\0\0\0\0\0\0"].map((text) => Buffer.from(text));
  const wire = Buffer.concat(messages.map(frame));
  for (let step = 1; step <= wire.length; step++) {
    const reader = new FrameReader();
    const found: Uint8Array[] = [];
    for (let at = 0; at < wire.length; at += step) found.push(...reader.push(wire.subarray(at, at + step)));
    assert.deepEqual(found.map(String), messages.map(String), `pieces of ${step}`);
  }
});

test("frame reader refuses compression and absurd lengths instead of waiting for them", () => {
  assert.throws(() => new FrameReader().push(Buffer.from([1, 0, 0, 0, 0])), /compressed/);
  assert.throws(() => new FrameReader().push(Buffer.from([0, 255, 255, 255, 255])), /bytes/);
});

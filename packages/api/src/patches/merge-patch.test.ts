// JSON Merge Patch: merging, refusals and bounds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyMergePatch } from "./merge-patch.ts";

test("applyMergePatch merges objects, removes by null and replaces the rest", () => {
  const doc = { a: { b: 1, c: 2 }, list: [1, 2], keep: true };
  const patched = applyMergePatch(doc, { a: { b: null, d: { e: null, f: 1 } }, list: [3], keep: { x: 1 } });
  assert.deepEqual(patched, { a: { c: 2, d: { f: 1 } }, list: [3], keep: { x: 1 } });
  assert.deepEqual(doc, { a: { b: 1, c: 2 }, list: [1, 2], keep: true });
});

test("applyMergePatch refuses what is no object, depth without end, and does not pollute", () => {
  assert.throws(() => applyMergePatch({}, [1]), { code: 400 });
  const deep = JSON.parse(`${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`);
  assert.throws(() => applyMergePatch({}, deep), { code: 400 });
  const patched = applyMergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}'));
  assert.equal(JSON.stringify(patched), '{"__proto__":{"polluted":1}}');
  assert.equal("polluted" in {}, false);
});

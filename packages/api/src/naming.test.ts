// Random names, hashes and ages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { humanDuration } from "./duration.ts";
import { generateName, randomSuffix } from "./generate-name.ts";
import { fnv1a32, podTemplateHash, stableStringify } from "./hash.ts";

test("generateName fits a DNS label and keeps to the alphabet", () => {
  assert.match(generateName("web-"), /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  assert.equal(generateName("x".repeat(80)).length, 63);
  assert.equal(
    randomSuffix(3, () => 0),
    "bbb",
  );
});

test("fnv1a32 agrees with the published vectors", () => {
  assert.equal(fnv1a32(""), 0x811c9dc5);
  assert.equal(fnv1a32("foobar"), 0xbf9cf968);
});

test("podTemplateHash ignores key order and absent values, and heeds the collision count", () => {
  const hash = podTemplateHash({ a: 1, b: { c: [1, 2] }, d: undefined });
  assert.equal(podTemplateHash({ b: { c: [1, 2] }, a: 1 }), hash);
  assert.notEqual(podTemplateHash({ b: { c: [2, 1] }, a: 1 }), hash);
  assert.notEqual(podTemplateHash({ b: { c: [1, 2] }, a: 1 }, 1), hash);
  assert.match(hash, /^[bcdfghjklmnpqrstvwxz2456789]+$/);
  assert.equal(stableStringify({ b: [undefined], a: "x" }), '{"a":"x","b":[null]}');
});

test("humanDuration shortens as kubectl does", () => {
  const second = 1000;
  const minute = 60 * second;
  const hour = 60 * minute;
  const day = 24 * hour;
  const cases: readonly [number, string][] = [
    [-5 * second, "<invalid>"],
    [119 * second, "119s"],
    [5 * minute + 32 * second, "5m32s"],
    [10 * minute + 32 * second, "10m"],
    [179 * minute, "179m"],
    [3 * hour + 20 * minute, "3h20m"],
    [3 * day + 4 * hour, "3d4h"],
    [8 * day + 4 * hour, "8d"],
    [740 * day, "2y10d"],
    [3000 * day, "8y"],
  ];
  for (const [ms, text] of cases) assert.equal(humanDuration(ms), text);
});

// JSON Patch: application, refusals and bounds.
import assert from "node:assert/strict";
import { test } from "node:test";
import { applyJsonPatch } from "./json-patch.ts";

test("applyJsonPatch returns a new document", () => {
  const doc = { spec: { list: ["a"], n: 1 } };
  const patch = [
    { op: "test", path: "/spec/n", value: 1 },
    { op: "add", path: "/spec/list/-", value: { x: 1 } },
    { op: "remove", path: "/spec/n" },
  ];
  assert.deepEqual(applyJsonPatch(doc, patch), { spec: { list: ["a", { x: 1 }] } });
  assert.deepEqual(doc, { spec: { list: ["a"], n: 1 } });
  const grown = [
    { op: "add", path: "/new", value: [] },
    { op: "add", path: "/new/-", value: 1 },
  ];
  applyJsonPatch(doc, grown);
  assert.deepEqual(applyJsonPatch({}, grown), { new: [1] });
});

test("applyJsonPatch answers 422 where an operation does not apply", () => {
  const operations = [
    { op: "test", path: "/a", value: 2 },
    { op: "remove", path: "/missing" },
    { op: "replace", path: "/missing", value: 1 },
    { op: "add", path: "/x/y", value: 1 },
    { op: "frobnicate", path: "/a" },
    { op: "add", path: "/a" },
    { op: "add", path: "/__proto__/polluted", value: 1 },
    { op: "copy", path: "/b" },
  ];
  for (const operation of operations) {
    assert.throws(() => applyJsonPatch({ a: 1 }, [operation]), {
      code: 422,
      reason: "Invalid",
      message: "the server rejected our request due to an error in our request",
    });
  }
  assert.equal("polluted" in {}, false);
});

test("applyJsonPatch refuses what is no patch, and what is too long", () => {
  assert.throws(() => applyJsonPatch({}, {}), {
    code: 400,
    message: "json: cannot unmarshal object into Go value of type jsonpatch.Patch",
  });
  assert.throws(() => applyJsonPatch({}, ["x"]), { code: 400 });
  const deep = JSON.parse(`${"[".repeat(50_000)}${"]".repeat(50_000)}`);
  assert.throws(() => applyJsonPatch({}, [{ op: "add", path: "/a", value: deep }]), { code: 400 });
  const long = new Array(10_001).fill({ op: "test", path: "", value: {} });
  assert.throws(() => applyJsonPatch({}, long), { code: 413, message: /10000, got 10001$/ });
});

test("applyJsonPatch stops copies that double the document", () => {
  const doubling = Array.from({ length: 40 }, (_, i) => ({ op: "copy", from: "/a", path: `/a/${i}` }));
  assert.throws(() => applyJsonPatch({ a: { x: "x".repeat(1000) } }, doubling), { code: 422 });
});

test("applyJsonPatch moves into and within lists, and at once however large what is pushed aside is", () => {
  const moved = applyJsonPatch({ a: [1, 2, 3], b: 4 }, [
    { op: "move", from: "/b", path: "/a/1" },
    { op: "move", from: "/a/3", path: "/a/0" },
  ]);
  assert.deepEqual(moved, { a: [3, 1, 4, 2] });
  assert.throws(() => applyJsonPatch({ a: {} }, [{ op: "move", from: "/a", path: "/a/b" }]), { code: 422 });
  assert.throws(() => applyJsonPatch({ a: {} }, [{ op: "move", from: "/x", path: "/a/b" }]), { code: 422 });
  const large = { text: Array.from({ length: 20_000 }, (_, i) => `word ${i}`) };
  const patch = Array.from({ length: 2000 }, () => ({ op: "move", from: "/list/1", path: "/list/0" }));
  // Processor time, to which other programs on the machine do not add: 2000 copies would be 40 million strings.
  const before = process.cpuUsage();
  applyJsonPatch({ list: [large, "small"] }, patch);
  assert.ok(process.cpuUsage(before).user < 2_000_000);
});

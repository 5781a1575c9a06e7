import assert from "node:assert/strict";
import { test } from "node:test";
import { expand, expandAll } from "./expand.ts";

const lookup = (name: string) => ({ A: "a", EMPTY: "", "B.C": "dotted" })[name];

test("expand follows upstream in every corner", () => {
  const cases: [string, string][] = [
    ["$(A)", "a"],
    ["x$(A)y$(A)", "xaya"],
    ["$(EMPTY)|", "|"],
    ["$(B.C)", "dotted"],
    ["$(UNKNOWN)", "$(UNKNOWN)"],
    ["$$(A)", "$(A)"],
    ["$$$(A)", "$a"],
    ["$$", "$"],
    ["$A", "$A"],
    ["$(A", "$(A"],
    ["100$", "100$"],
    ["$", "$"],
    ["", ""],
  ];
  for (const [text, expected] of cases) assert.equal(expand(text, lookup), expected, text);
});

test("what expands beyond measure is refused before it takes the memory", () => {
  const million = () => "x".repeat(1024 * 1024);
  assert.throws(() => expand("$(A)".repeat(10_000), million), RangeError);
  assert.throws(() => expandAll(Array(1000).fill("$(A)"), million), RangeError);
});

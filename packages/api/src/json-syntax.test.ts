// The quick count of keys against the full scan: they must agree on every text.
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasNoDuplicates, scanJson } from "./json-syntax.ts";

/** Texts with keys that repeat now and then, and strings full of what ends strings and separates members. */
function randomText(next: () => number, depth: number): string {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T;
  const string = () => JSON.stringify(pick(["a", "b", 'c":', "d\\", '\\":"', "é:\u2028", "{:}", "__proto__", ""]));
  const many = (make: () => string) => Array.from({ length: Math.floor(next() * 4) }, make).join(pick([",", " ,\n"]));
  if (depth === 0 || next() < 0.3) return pick(["1", "-0.5e3", "true", "null", string()]);
  if (next() < 0.4) return `[${many(() => randomText(next, depth - 1))}]`;
  return `{${many(() => `${string()}${pick([":", " : "])}${randomText(next, depth - 1)}`)}}`;
}

test("hasNoDuplicates says of every text what the full scan says", () => {
  const seed = Date.parse("2026-01-01") + process.pid;
  let state = seed;
  const next = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
  let repeated = 0;
  for (let i = 0; i < 5000; i++) {
    const text = randomText(next, 5);
    const clean = scanJson(text).duplicateFields.length === 0;
    assert.equal(hasNoDuplicates(text, JSON.parse(text)), clean, `seed ${seed}: ${text}`);
    if (!clean) repeated += 1;
  }
  assert.ok(repeated > 100);
});

test("hasNoDuplicates leaves what is nested very deeply to the full scan", () => {
  const text = `${"[".repeat(300)}{"a":1}${"]".repeat(300)}`;
  assert.equal(hasNoDuplicates(text, JSON.parse(text)), false);
});

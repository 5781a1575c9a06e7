// Label selectors: grammar, matching and printing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLabelSelector, selectorFromMap, selectorOf } from "./labels.ts";

function matches(selector: string, labels: Record<string, string>): boolean {
  return parseLabelSelector(selector).matches(labels);
}

test("parseLabelSelector understands every operator", () => {
  const labels = { app: "web", tier: "front", weight: "5" };
  const holds = ["app=web", "app==web,tier", "tier!=back", "app in (web, db)", "tier notin (back)", "!x", "weight>4"];
  const fails = [
    "app=db",
    "x",
    "!app",
    "app notin (web,db)",
    "weight<5",
    "x>1",
    "app=",
    "app in ()".replace("()", "(,)"),
  ];
  for (const selector of holds) assert.equal(matches(selector, labels), true, selector);
  for (const selector of fails) assert.equal(matches(selector, labels), false, selector);
});

test("parseLabelSelector lets a negative requirement match a missing key", () => {
  assert.equal(matches("a!=b", {}), true);
  assert.equal(matches("a notin (b)", {}), true);
  assert.equal(matches("constructor", {}), false);
});

test("parseLabelSelector refuses with upstream's words", () => {
  const cases: Record<string, RegExp> = {
    "a=b=c": /^found '=', expected: ',' or 'end of string'$/,
    "a,,b": /^found ',', expected: identifier after ','$/,
    "a in b": /^unable to parse requirement: found 'b' expected: '\('$/,
    "a foo b": /^unable to parse requirement: found 'foo', expected: in, notin, =, ==, !=, gt, lt$/,
    "a=-b-": /^unable to parse requirement: values\[0\]\[a\]: Invalid value: "-b-": a valid label must be/,
    "a>b": /must be an integer$/,
  };
  for (const [text, message] of Object.entries(cases)) {
    assert.throws(() => parseLabelSelector(text), { code: 400, message }, text);
  }
});

test("a set of nothing holds the empty value", () => {
  const selector = parseLabelSelector("a in ()");
  assert.deepEqual(
    [selector.matches({ a: "" }), selector.matches({ a: "b" }), selector.matches({})],
    [true, false, false],
  );
});

test("selectors print sorted and in upstream's form", () => {
  assert.equal(parseLabelSelector("z,!y, a in (c,b),d>1").toString(), "a in (b,c),d>1,!y,z");
  assert.equal(parseLabelSelector(" ").isEverything, true);
});

test("selectorOf: undefined matches nothing, {} everything", () => {
  assert.equal(selectorOf(undefined).matches({}), false);
  assert.equal(selectorOf({}).matches(undefined), true);
  const selector = selectorOf({
    matchLabels: { app: "web" },
    matchExpressions: [{ key: "tier", operator: "DoesNotExist" }],
  });
  assert.equal(selector.matches({ app: "web" }), true);
  assert.equal(selector.matches({ app: "web", tier: "x" }), false);
  assert.equal(selectorFromMap({ a: "b" }).toString(), "a=b");
});

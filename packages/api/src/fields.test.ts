// Field selectors: grammar, escapes and matching.
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseFieldSelector } from "./fields.ts";

test("parseFieldSelector reads terms, operators and escapes", () => {
  const selector = parseFieldSelector("metadata.name=a\\,b,spec.nodeName!=n1,status.phase==Running,");
  assert.deepEqual(selector.requirements, [
    { field: "metadata.name", operator: "=", value: "a,b" },
    { field: "spec.nodeName", operator: "!=", value: "n1" },
    { field: "status.phase", operator: "=", value: "Running" },
  ]);
  assert.equal(selector.requiredValue("status.phase"), "Running");
  assert.equal(selector.requiredValue("spec.nodeName"), undefined);
  assert.equal(selector.toString(), "metadata.name=a\\,b,spec.nodeName!=n1,status.phase=Running");
});

test("parseFieldSelector matches values that a kind reads", () => {
  const selector = parseFieldSelector("spec.nodeName=,metadata.name!=x");
  const read = (fields: Record<string, string>) => (field: string) => fields[field] ?? "";
  assert.equal(selector.matches(read({ "metadata.name": "y" })), true);
  assert.equal(selector.matches(read({ "metadata.name": "x" })), false);
  assert.equal(selector.matches(read({ "spec.nodeName": "n" })), false);
});

test("parseFieldSelector refuses with upstream's words", () => {
  assert.throws(() => parseFieldSelector("a=b,c"), { message: "invalid selector: 'a=b,c'; can't understand 'c'" });
  assert.throws(() => parseFieldSelector("a=b\\x"), {
    message: "invalid field selector: invalid escape sequence: \\x",
  });
  assert.throws(() => parseFieldSelector("a=b=c"), {
    message: "invalid field selector: unescaped character in value: 61",
  });
});

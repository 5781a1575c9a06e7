// How a patch is refused that makes no object of the kind.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode } from "@skiff/api/decode.ts";
import type { ApiError } from "@skiff/api/errors.ts";
import { unreadableDocument, unreadablePatch } from "./unreadable-patch.ts";

function refusalOf(document: object, strict = false): unknown {
  try {
    return decode("Deployment", document, { strict });
  } catch (error) {
    return error;
  }
}

const messageOf = (error: unknown) => (error as ApiError).message;

test("an unreadable strategic merge patch is shown as Go prints it, in the converter's words", () => {
  const wrong = (spec: object) => messageOf(unreadablePatch(refusalOf({ spec }), { spec }));
  const head = ' "" is invalid: patch: Invalid value: ';
  assert.equal(wrong({ replicas: "x" }), `${head}"map[spec:map[replicas:x]]": unrecognized type: int32`);
  assert.match(wrong({ selector: "x" }), /: cannot restore struct from: string$/);
  assert.match(wrong({ selector: { matchExpressions: "x" } }), /: cannot restore slice from string$/);
  const unknown = unreadablePatch(refusalOf({ spec: { foo: 1 } }, true), { spec: { foo: 1 } });
  assert.match(messageOf(unknown), /"map\[spec:map\[foo:1\]\]": strict decoding error: unknown field "spec.foo"$/);
});

test("an unreadable JSON or merge patch is shown as the document that it made; other errors pass", () => {
  const document = { spec: { replicas: "x" } };
  const error = unreadableDocument(refusalOf(document), document) as ApiError;
  assert.equal(error.code, 422);
  assert.match(error.message, /Invalid value: "\{\\"spec\\".*": json: cannot unmarshal string into Go struct field/);
  const other = new Error("other");
  assert.equal(unreadableDocument(other, document), other);
});

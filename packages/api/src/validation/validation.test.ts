// Names, paths, metadata and equality.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ObjectMeta } from "../../generated/types.ts";
import { fieldErrorBody, invalid } from "../errors.ts";
import { deepEqual } from "./deep-equal.ts";
import * as names from "./names.ts";
import { validateObjectMeta, validateObjectMetaUpdate } from "./object-meta.ts";
import { invalidValue, root } from "./path.ts";

const kind = { namespaced: true, validateName: names.isDns1123Subdomain };
const meta = (extra: Partial<ObjectMeta> = {}): ObjectMeta => ({
  name: "x",
  namespace: "default",
  uid: "u",
  resourceVersion: "1",
  creationTimestamp: "2026-01-01T00:00:00Z",
  ...extra,
});
const judge = (extra: Partial<ObjectMeta>) =>
  validateObjectMeta(kind, meta(extra), root("metadata")).map((e) => `${e.field}: ${fieldErrorBody(e)}`);

test("field path reads as upstream writes it", () => {
  assert.equal(
    root("spec").child("containers").index(0).child("limits").key("a/b").toString(),
    "spec.containers[0].limits[a/b]",
  );
  assert.equal(root("a").child("b", "c").toString(), "a.b.c");
  assert.equal(root().toString(), "[]");
  assert.equal(root().child("a").toString(), "a");
});

test("name checks take what upstream takes", () => {
  const good: readonly (readonly [(text: string) => string[], readonly string[]])[] = [
    [names.isDns1123Label, ["a", "a-1", "1", "x".repeat(63)]],
    [names.isDns1123Subdomain, ["a.b", "1.2", "x".repeat(253)]],
    [names.isDns1035Label, ["a", "a-1"]],
    [names.isQualifiedName, ["a", "A_b.c", "example.com/My-Name"]],
    [names.isLabelValue, ["", "a", "A.b_c-1"]],
    [names.isEnvVarName, ["A", "a b", "9", "-x.y"]],
    [names.isConfigMapKey, ["a", ".a", "A_b-c.d"]],
    [names.isPortName, ["http", "a-1", "1a"]],
    [names.isPathSegmentName, ["system:node", "a b"]],
  ];
  for (const [check, texts] of good) for (const text of texts) assert.deepEqual(check(text), [], text);
});

test("name checks refuse what upstream refuses", () => {
  const bad: readonly (readonly [(text: string) => string[], readonly string[]])[] = [
    [names.isDns1123Label, ["", "-a", "a-", "A", "a.b", "a\n", "x".repeat(64)]],
    [names.isDns1123Subdomain, ["", ".a", "a..b", "a_b"]],
    [names.isDns1035Label, ["", "1a"]],
    [names.isQualifiedName, ["", "/a", "a/", "a/b/c", "-a", "x".repeat(64)]],
    [names.isLabelValue, ["-", "a b", "x".repeat(64)]],
    [names.isEnvVarName, ["", "a=b", "ü", "a\n"]],
    [names.isConfigMapKey, ["", ".", "..", "..a", "a/b"]],
    [names.isPortName, ["", "80", "A", "a--b", "-a", "a".repeat(16)]],
    [names.isPathSegmentName, [".", "..", "a/b", "a%b"]],
  ];
  for (const [check, texts] of bad) for (const text of texts) assert.notDeepEqual(check(text), [], text);
  assert.deepEqual(names.isDns1123Label("a.b"), ["must not contain dots"]);
  assert.deepEqual(names.isConfigMapKey("..a"), ["must not start with '..'"]);
  assert.deepEqual(names.isQualifiedName("/a"), ["prefix part must be non-empty"]);
});

test("metadata of new objects is judged", () => {
  assert.deepEqual(judge({}), []);
  assert.deepEqual(judge({ name: "", namespace: "" }), [
    "metadata.name: Required value: name or generateName is required",
    "metadata.namespace: Required value",
  ]);
  assert.deepEqual(judge({ generateName: "web-" }), []);
  assert.deepEqual(judge({ finalizers: ["mine"] }), [
    'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
  ]);
  assert.deepEqual(judge({ annotations: { a: "x".repeat(256 * 1024) } }), [
    "metadata.annotations: Too long: may not be more than 262144 bytes",
  ]);
  const owner = { apiVersion: "v1", kind: "Pod", name: "a", uid: "1", controller: true };
  assert.match(
    judge({ ownerReferences: [owner, { ...owner, name: "b" }] })[0] ?? "",
    /references for Pod\/a and Pod\/b$/,
  );
  assert.deepEqual(judge({ ownerReferences: [{ ...owner, uid: "" }] }), [
    'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
  ]);
});

test("metadata keeps its identity on update", () => {
  const errors = validateObjectMetaUpdate(meta({ uid: "v", resourceVersion: "" }), meta(), root("metadata"));
  assert.deepEqual(
    errors.map((e) => `${e.field}: ${e.detail}`),
    ["metadata.resourceVersion: must be specified for an update", "metadata.uid: field is immutable"],
  );
  const deleted = meta({ deletionTimestamp: "2026-01-01T00:00:00Z", finalizers: ["a/b"] });
  const [added] = validateObjectMetaUpdate({ ...deleted, finalizers: ["a/b", "c/d"] }, deleted, root("metadata"));
  assert.match(added?.detail ?? "", /found new finalizers \[\]string\{"c\/d"\}$/);
});

test("deep equality ignores what Go's zero values make the same, and nothing else", () => {
  assert.ok(deepEqual({ a: "", list: [], labels: {} }, {}));
  assert.ok(deepEqual({ hostNetwork: false }, {}));
  assert.ok(!deepEqual({ emptyDir: {} }, {}));
  assert.ok(!deepEqual({ automountServiceAccountToken: false }, {}));
  assert.ok(!deepEqual({ replicas: 0 }, {}));
  assert.ok(!deepEqual([1, 2], [2, 1]));
  assert.ok(!deepEqual({ a: 1 }, { a: "1" }));
});

test("invalid tells no more than clients can read of errors that quote a large object each", () => {
  const value = Array.from({ length: 3000 }, (_, i) => `item-${i}`);
  const errors = value.map(() => invalidValue(root("metadata"), value, "is one too many"));
  const { message, details } = invalid("", "Pod", "p", errors);
  assert.ok(message.length < 400_000, `${message.length}`);
  assert.match(message, /, and 29\d\d more errors\]$/);
  assert.ok((details?.causes?.length ?? 0) < 20);
});

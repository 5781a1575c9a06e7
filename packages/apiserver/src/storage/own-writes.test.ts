// Own writes: whichever comes first, the answer or the event, both end with one object, and nobody else's event does.
import assert from "node:assert/strict";
import { test } from "node:test";
import { findKind } from "@skiff/api/kinds/index.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { OwnWrites } from "./own-writes.ts";
import { encodeStoredForm, storageKind, storedForm } from "./stored-object.ts";

const definition = findKind("", "configmaps");
assert.ok(definition);
const kind = storageKind(definition);

function written(value: string) {
  const metadata = { name: "a", namespace: "d", labels: { app: value }, resourceVersion: "3" };
  const form = storedForm(kind, { metadata, data: { value } } as unknown as KubeObject);
  return { form, bytes: encodeStoredForm(form) };
}

test("an event after its answer brings the object of the answer", () => {
  const writes = new OwnWrites(kind);
  const { form, bytes } = written("x");
  const stored = writes.finish(writes.begin("d/a", bytes, form), 7);
  assert.equal(writes.claim("d/a", 6, Buffer.from("of another")), undefined);
  assert.equal(writes.claim("d/a", 7, Buffer.from(bytes)), stored);
  assert.equal(writes.claim("d/a", 7, Buffer.from(bytes)), undefined);
});

test("an answer after its event brings the object of the event", () => {
  const writes = new OwnWrites(kind);
  const { form, bytes } = written("x");
  const write = writes.begin("d/a", bytes, form);
  const stored = writes.claim("d/a", 7, Buffer.from(bytes));
  assert.ok(stored);
  assert.equal(writes.finish(write, 7), stored);
});

test("an event of somebody else is not taken for one of our own", () => {
  const writes = new OwnWrites(kind);
  const { form, bytes } = written("x");
  const write = writes.begin("d/a", bytes, form);
  assert.equal(writes.claim("d/a", 6, written("y").bytes), undefined);
  // The very same bytes, written by another server a moment before ours.
  const theirs = writes.claim("d/a", 7, Buffer.from(bytes));
  assert.equal(theirs?.revision, 7);
  assert.equal(writes.finish(write, 8).revision, 8);
});

test("a later event ends the wait for one that never came", () => {
  const writes = new OwnWrites(kind);
  const { form, bytes } = written("x");
  writes.finish(writes.begin("d/a", bytes, form), 7);
  assert.equal(writes.claim("d/a", 9, Buffer.from(bytes)), undefined);
  assert.equal(writes.claim("d/a", 7, Buffer.from(bytes)), undefined);
});

test("a refused write leaves a later one of the same key alone", () => {
  const writes = new OwnWrites(kind);
  const first = written("x");
  const second = written("y");
  const refused = writes.begin("d/a", first.bytes, first.form);
  writes.begin("d/a", second.bytes, second.form);
  writes.abandon(refused);
  assert.ok(writes.claim("d/a", 7, Buffer.from(second.bytes)));
});

test("the shared object of a write is what parsing its bytes gives", () => {
  const writes = new OwnWrites(kind);
  const { form, bytes } = written("é");
  const stored = writes.finish(writes.begin("d/a", bytes, form), 7);
  assert.deepEqual(stored.object(), stored.copy());
  assert.deepEqual(Object.keys(stored.object()), Object.keys(stored.copy()));
  assert.equal(stored.object().metadata.resourceVersion, "7");
});

// Bodies as large as they may be: nothing is compared with everything, and others get their turn between the steps.
import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { recordUpdate } from "@skiff/api/apply/record-update.ts";
import { trackingOf } from "@skiff/api/apply/tracking.ts";
import { KINDS } from "@skiff/api/kinds/index.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { ObjectMeta } from "@skiff/api/types.ts";
import { dedupeOwnerReferences } from "@skiff/api/validation/dedupe-owner-references.ts";
import { itemErrors, required, root } from "@skiff/api/validation/path.ts";
import { processorMs } from "@skiff/testkit/processor-time.ts";
import { storageKind } from "../storage/stored-object.ts";
import { createObject } from "./create-object.ts";
import type { WriteDeps } from "./write-options.ts";

/** Each takes a tenth of this, and took minutes when each item was compared with each. */
const GENEROUS_MS = 5000;

function kindOf(name: string) {
  const found = KINDS.find(({ kind }) => kind === name);
  assert.ok(found);
  return found;
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test("dedupeOwnerReferences is not slowed down by a hundred thousand owners", () => {
  const owner = (i: number) => ({ apiVersion: "v1", kind: "A", name: `n${i % 50_000}`, uid: "u" });
  const metadata = { name: "x", ownerReferences: numbers(100_000).map(owner) };
  const ms = processorMs(() =>
    assert.match(String(dedupeOwnerReferences(metadata as ObjectMeta)), /duplicate entries/),
  );
  assert.equal(metadata.ownerReferences.length, 50_000);
  assert.ok(ms < GENEROUS_MS, `${ms} ms`);
});

test("dedupeOwnerReferences tells owners apart by everything that they say", () => {
  const same = { apiVersion: "v1", kind: "A", name: "n", uid: "u" };
  const others = [
    { ...same, controller: false },
    { ...same, controller: true },
    { ...same, blockOwnerDeletion: true },
  ];
  const metadata = { name: "x", ownerReferences: [same, ...others, { ...same }] };
  assert.match(String(dedupeOwnerReferences(metadata as ObjectMeta)), /observed: u$/);
  assert.deepEqual(metadata.ownerReferences, [same, ...others]);
});

test("a pod's update is not slowed down by as many tolerations as it may have", () => {
  const toleration = (i: number) => ({ key: `k${i}`, operator: "Exists", effect: "NoExecute", tolerationSeconds: i });
  // Tests make objects as clients write them: without what the server fills in.
  const pod = (tolerations: object[]) =>
    ({
      kind: "Pod",
      apiVersion: "v1",
      metadata: { name: "p", namespace: "d", resourceVersion: "1" },
      spec: { containers: [{ name: "c", image: "i" }], tolerations },
    }) as unknown as KubeObject;
  const before = pod(numbers(20_000).map(toleration));
  const after = pod(numbers(80_000).map(toleration).reverse());
  const complaints = (next: KubeObject) =>
    kindOf("Pod")
      .validateUpdate(next, before)
      .filter(({ detail }) => detail.startsWith("existing toleration can not be modified")).length;
  const ms = processorMs(() => assert.equal(complaints(after), 0));
  assert.ok(ms < GENEROUS_MS, `${ms} ms`);
  assert.equal(complaints(pod(numbers(19_999).map(toleration))), 1);
});

test("recordUpdate joins thousands of sent owners without copying their union for each", () => {
  const managedFields = numbers(20_000).map((i) => ({
    manager: `m${i}`,
    operation: "Update",
    apiVersion: "v1",
    fieldsType: "FieldsV1",
    fieldsV1: { "f:data": { [`f:k${i}`]: {} } },
  }));
  // As a client writes it: without what the server fills in.
  const object = { metadata: { name: "x", managedFields }, data: { a: "1" } } as unknown as KubeObject;
  const tracking = trackingOf(kindOf("ConfigMap"), "");
  let entries: ReturnType<typeof recordUpdate>;
  const ms = processorMs(() => {
    entries = recordUpdate(tracking, undefined, object, "me", "2026-01-01T00:00:00Z");
  });
  assert.ok(ms < GENEROUS_MS, `${ms} ms`);
  assert.equal(entries?.length, 10);
  const ancient = entries?.find(({ manager }) => manager === "ancient-changes");
  const fields = ancient?.fieldsV1 as Record<string, object>;
  assert.equal(Object.keys(fields["f:data"] ?? {}).length, 20_001 - 9);
});

test("itemErrors stops once there are more errors than an answer tells", () => {
  let looked = 0;
  const errors = itemErrors(numbers(1_000_000), (_item, i) => {
    looked++;
    return [required(root("items").index(i))];
  });
  assert.ok(looked < 20_000 && errors.length === looked);
});

test("createObject pauses between its steps", async () => {
  const definition = kindOf("ConfigMap");
  const pause = mock.fn(() => Promise.resolve());
  const create = mock.fn(() => Promise.resolve(undefined));
  const get = mock.fn(() => Promise.resolve(undefined));
  const deps = { admission: [], hooks: new Map(), clock: { now: () => 0 }, storage: { create, get } };
  const options = {
    user: { name: "u", groups: [], extra: {} },
    dryRun: false,
    subresource: "",
    fieldManager: "m",
    signal: new AbortController().signal,
    warn: () => {},
    pause,
  };
  // As a client writes it, and of the server's parts only those that a create asks: the steps count here, not what they find.
  const object = { metadata: { name: "x" }, data: {} } as unknown as KubeObject;
  const made = createObject(deps as unknown as WriteDeps, storageKind(definition), "d", object, options);
  await assert.rejects(made, { code: 409 });
  // Defaults, owners, admission, validation and the write are steps of their own.
  assert.equal(pause.mock.callCount(), 4);
});

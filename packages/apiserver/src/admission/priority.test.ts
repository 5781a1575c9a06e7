// Priority and StorageObjectInUseProtection over objects in memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { KindDefinition } from "@skiff/api/kind.ts";
import { findKind } from "@skiff/api/kinds/index.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { priorityClasses } from "@skiff/api/resource-ref.ts";
import type { Pod, PodSpec, PriorityClass } from "@skiff/api/types.ts";
import { MemoryReader } from "../authz/memory-reader.ts";
import type { AdmissionRequest } from "./admission.ts";
import { createPriorityPlugin } from "./priority.ts";
import { storageObjectInUseProtection } from "./storage-object-in-use-protection.ts";

const signal = new AbortController().signal;

function request(group: string, plural: string, object: object, more: Partial<AdmissionRequest> = {}) {
  const body = { metadata: { name: "x" }, ...object } as KubeObject;
  const kind = findKind(group, plural) as KindDefinition;
  const user = { name: "jane", groups: [], extra: {} };
  const place = { namespace: "", name: body.metadata.name, subresource: "" };
  return {
    operation: "CREATE",
    kind,
    ...place,
    object: body,
    oldObject: undefined,
    user,
    dryRun: false,
    warn() {},
    ...more,
  } as const;
}

function reading(...classes: Omit<PriorityClass, "metadata">[]): MemoryReader {
  const reader = new MemoryReader();
  for (const [index, fields] of classes.entries())
    reader.put(priorityClasses, { metadata: { name: `c${index}` }, ...fields });
  return reader;
}

async function admitted(reader: MemoryReader, spec: Partial<PodSpec>, more: Partial<AdmissionRequest> = {}) {
  const made = request("", "pods", { spec: { containers: [], ...spec } }, more);
  await createPriorityPlugin(reader).admit?.(made, signal);
  const { priority, priorityClassName, preemptionPolicy } = (made.object as Pod).spec;
  return [priorityClassName, priority, preemptionPolicy];
}

test("Priority gives a pod its class's number and policy, the default class's, or zero", async () => {
  const reader = reading({ value: 7, preemptionPolicy: "Never" }, { value: 5 });
  assert.deepEqual(await admitted(reader, { priorityClassName: "c0" }), ["c0", 7, "Never"]);
  assert.deepEqual(await admitted(reader, {}), [undefined, 0, "PreemptLowerPriority"]);
  reader.put(priorityClasses, { metadata: { name: "c1" }, value: 5, globalDefault: true });
  reader.put(priorityClasses, { metadata: { name: "c2" }, value: 4, globalDefault: true });
  assert.deepEqual(await admitted(reader, {}), ["c2", 4, undefined]);
});

test("Priority refuses missing classes and figures that are not the class's", async () => {
  const reader = reading({ value: 7, preemptionPolicy: "Never" });
  const refused = (spec: Partial<PodSpec>, message: RegExp) =>
    assert.rejects(admitted(reader, spec), (error: { code: number; message: string }) => {
      assert.equal(error.code, 403);
      assert.match(error.message, message);
      return true;
    });
  await refused({ priorityClassName: "none" }, /pods "x" is forbidden: no PriorityClass with name none was found/);
  await refused({ priorityClassName: "c0", priority: 8 }, /\(8\) must not be provided.*computed 7 from/);
  await refused({ priorityClassName: "c0", preemptionPolicy: "X" }, /PreemptionPolicy \(X\) must not.*computed Never/);
});

test("Priority keeps what an update leaves out and leaves subresources alone", async () => {
  const oldObject = { metadata: {}, spec: { priority: 9, preemptionPolicy: "Never" } } as unknown as KubeObject;
  assert.deepEqual(await admitted(reading(), {}, { operation: "UPDATE", oldObject }), [undefined, 9, "Never"]);
  assert.deepEqual(await admitted(reading(), {}, { subresource: "status" }), [undefined, undefined, undefined]);
});

test("Priority lets one class be the default", () => {
  const { validate } = createPriorityPlugin(reading({ value: 1, globalDefault: true }));
  const judge = (name: string, more: Partial<AdmissionRequest> = {}) =>
    validate?.(
      request("scheduling.k8s.io", "priorityclasses", { metadata: { name }, globalDefault: true }, more),
      signal,
    );
  assert.throws(() => judge("new"), /PriorityClass c0 is already marked as default. Only one default can exist/);
  assert.throws(() => judge("other", { operation: "UPDATE" }), { code: 403 });
  judge("c0", { operation: "UPDATE" });
});

test("StorageObjectInUseProtection adds its finalizer once, to new claims and volumes only", () => {
  const admit = (plural: string, finalizers?: string[], more: Partial<AdmissionRequest> = {}) => {
    const made = request("", plural, { metadata: { name: "x", ...(finalizers ? { finalizers } : {}) } }, more);
    storageObjectInUseProtection.admit(made);
    return made.object?.metadata.finalizers;
  };
  assert.deepEqual(admit("persistentvolumeclaims"), ["kubernetes.io/pvc-protection"]);
  assert.deepEqual(admit("persistentvolumes", ["a/b"]), ["a/b", "kubernetes.io/pv-protection"]);
  assert.deepEqual(admit("persistentvolumes", ["kubernetes.io/pv-protection"]), ["kubernetes.io/pv-protection"]);
  assert.equal(admit("persistentvolumes", undefined, { operation: "UPDATE" }), undefined);
  assert.equal(admit("configmaps"), undefined);
});

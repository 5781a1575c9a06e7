import assert from "node:assert/strict";
import { test } from "node:test";
import type { KindDefinition } from "@skiff/api/kind.ts";
import { findKind } from "@skiff/api/kinds/index.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { runtimeClasses } from "@skiff/api/resource-ref.ts";
import type { Pod, PodSpec, RuntimeClass } from "@skiff/api/types.ts";
import { MemoryReader } from "../authz/memory-reader.ts";
import type { AdmissionRequest } from "./admission.ts";
import { createRuntimeClassPlugin } from "./runtime-class.ts";

const { signal } = new AbortController();

function request(spec: Partial<PodSpec>, more: Partial<AdmissionRequest> = {}): AdmissionRequest {
  const fields: object = { spec: { containers: [], ...spec } };
  const body = { metadata: { name: "x" }, ...fields } as KubeObject;
  return {
    operation: "CREATE",
    kind: findKind("", "pods") as KindDefinition,
    namespace: "default",
    name: "x",
    subresource: "",
    object: body,
    oldObject: undefined,
    user: { name: "jane", groups: [], extra: {} },
    dryRun: false,
    warn() {},
    ...more,
  };
}

/** The pod's spec after both passes over a class `r` with these fields. */
async function admitted(fields: Partial<RuntimeClass>, spec: Partial<PodSpec>, more: Partial<AdmissionRequest> = {}) {
  const reader = new MemoryReader();
  reader.put(runtimeClasses, { metadata: { name: "r" }, handler: "runc", ...fields });
  const plugin = createRuntimeClassPlugin(reader);
  const made = request(spec, more);
  await plugin.admit?.(made, signal);
  await plugin.validate?.(made, signal);
  return (made.object as Pod).spec;
}

const refused = (fields: Partial<RuntimeClass>, spec: Partial<PodSpec>, why: string) =>
  assert.rejects(admitted(fields, spec), { code: 403, message: `pods "x" is forbidden: ${why}` });

test("RuntimeClass gives a pod its class's overhead and refuses any other", async () => {
  const overhead = { overhead: { podFixed: { cpu: "1" } } };
  assert.deepEqual((await admitted(overhead, { runtimeClassName: "r" })).overhead, { cpu: "1" });
  const same = await admitted(overhead, { runtimeClassName: "r", overhead: { cpu: "1000m" } });
  assert.deepEqual(same.overhead, { cpu: "1" });
  const mismatch = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
  await refused(overhead, { runtimeClassName: "r", overhead: { cpu: "2" } }, mismatch);
  await refused(overhead, { runtimeClassName: "r", overhead: { memory: "1" } }, mismatch);
  const none = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
  await refused(overhead, { overhead: { cpu: "1" } }, none);
  await refused({}, { runtimeClassName: "r", overhead: { cpu: "1" } }, none);
});

test("RuntimeClass refuses a class that is not there, on creation only", async () => {
  await refused({}, { runtimeClassName: "gone" }, 'pod rejected: RuntimeClass "gone" not found');
  for (const more of [{ operation: "UPDATE" }, { subresource: "status" }] as const) {
    assert.equal((await admitted({}, { runtimeClassName: "gone" }, more)).runtimeClassName, "gone");
  }
});

test("RuntimeClass adds its node selector, and says where it contradicts the pod's", async () => {
  const scheduling = { scheduling: { nodeSelector: { a: "1", b: "2" } } };
  const spec = await admitted(scheduling, { runtimeClassName: "r", nodeSelector: { b: "2", c: "3" } });
  assert.deepEqual(spec.nodeSelector, { a: "1", b: "2", c: "3" });
  const why = "conflict: runtimeClass.scheduling.nodeSelector[a] = 1; pod.spec.nodeSelector[a] = 2";
  await refused(scheduling, { runtimeClassName: "r", nodeSelector: { a: "2" } }, why);
});

test("RuntimeClass merges tolerations and leaves out what another covers", async () => {
  const scheduling = {
    tolerations: [
      { key: "k", operator: "Exists" },
      { key: "n", operator: "Equal", value: "v", effect: "NoExecute" },
    ],
  };
  const tolerations = [
    { key: "k", operator: "Equal", value: "x", effect: "NoSchedule" },
    { key: "n", operator: "Equal", value: "v", effect: "NoExecute", tolerationSeconds: 5 },
    { key: "own", operator: "Exists", effect: "NoExecute" },
  ];
  const spec = await admitted({ scheduling }, { runtimeClassName: "r", tolerations });
  assert.deepEqual(spec.tolerations, [tolerations[2], ...scheduling.tolerations]);
});

// Admission as clients meet it, against a real server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveApi } from "../testing/serve-api.ts";

const { client } = await serveApi();
const NS = "/api/v1/namespaces/default";
const CLASSES = "/apis/scheduling.k8s.io/v1/priorityclasses";

async function podSpec(name: string, spec: object = {}) {
  const containers = [{ name: "c", image: "i" }];
  return await client.post(`${NS}/pods`, { metadata: { name }, spec: { containers, ...spec } });
}

test("a ready server has the system's PriorityClasses and guards them", async () => {
  const found = await client.get(CLASSES);
  const figures = found.body.items.map((item: { metadata: { name: string }; value: number }) => [
    item.metadata.name,
    item.value,
  ]);
  assert.deepEqual(figures, [
    ["system-cluster-critical", 2_000_000_000],
    ["system-node-critical", 2_000_001_000],
  ]);
  assert.equal((await client.post(CLASSES, { metadata: { name: "system-mine" }, value: 1 })).code, 422);
});

test("pods get the priority of their class at once, and the default class's without one", async () => {
  assert.equal((await podSpec("plain")).body.spec.priority, 0);
  const made = await client.post(CLASSES, { metadata: { name: "high" }, value: 1000, globalDefault: true });
  assert.equal(made.code, 201, made.text);
  const pod = (await podSpec("named", { priorityClassName: "high" })).body.spec;
  assert.deepEqual([pod.priority, pod.preemptionPolicy], [1000, "PreemptLowerPriority"]);
  assert.equal(
    (await podSpec("critical", { priorityClassName: "system-node-critical" })).body.spec.priority,
    2_000_001_000,
  );
  const second = await client.post(CLASSES, { metadata: { name: "also" }, value: 1, globalDefault: true });
  assert.match(second.body.message, /PriorityClass high is already marked as default/);
  const missing = await podSpec("missing", { priorityClassName: "none" });
  assert.equal(missing.body.message, 'pods "missing" is forbidden: no PriorityClass with name none was found');
});

test("a claim is born with its finalizer, so that a deletion leaves it on its way", async () => {
  const resources = { requests: { storage: "1Gi" } };
  const claim = { metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"], resources } };
  const made = await client.post(`${NS}/persistentvolumeclaims`, claim);
  assert.deepEqual(made.body.metadata.finalizers, ["kubernetes.io/pvc-protection"], made.text);
  await client.delete(`${NS}/persistentvolumeclaims/data`);
  assert.ok((await client.get(`${NS}/persistentvolumeclaims/data`)).body.metadata.deletionTimestamp);
});

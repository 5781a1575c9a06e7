// pods/eviction as drain uses it, against a real server and etcd.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveApi } from "../testing/serve-api.ts";

const { client } = await serveApi();
const PODS = "/api/v1/namespaces/default/pods";

const createPod = (name: string) =>
  client.post(PODS, { metadata: { name }, spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }] } });
const evict = (name: string, body: object = {}) =>
  client.post(`${PODS}/${name}/eviction`, { apiVersion: "policy/v1", kind: "Eviction", metadata: { name }, ...body });

test("an eviction marks the pod as disrupted and deletes it with the grace that was asked for", async () => {
  await createPod("p1");
  const answer = await evict("p1", { deleteOptions: { gracePeriodSeconds: 7 } });
  assert.equal(answer.code, 201);
  assert.equal(answer.body.status, "Success");
  const { metadata, status } = (await client.get(`${PODS}/p1`)).body;
  assert.equal(metadata.deletionGracePeriodSeconds, 7);
  const condition = status.conditions.find(({ type }: { type: string }) => type === "DisruptionTarget");
  assert.equal(condition.reason, "EvictionByEvictionAPI");
});

test("an eviction of the older version works, and a dry run leaves no trace", async () => {
  await createPod("p2");
  const dry = await evict("p2", { deleteOptions: { dryRun: ["All"] } });
  assert.equal(dry.code, 201);
  const before = (await client.get(`${PODS}/p2`)).body;
  assert.equal(before.metadata.deletionTimestamp, undefined);
  assert.equal(before.status.conditions, undefined);
  assert.equal((await evict("p2", { apiVersion: "policy/v1beta1" })).code, 201);
});

test("an eviction refuses another name, another UID and a pod that is not there", async () => {
  await createPod("p3");
  const wrongName = await evict("p3", { metadata: { name: "other" } });
  assert.equal(wrongName.body.message, "name in URL does not match name in Eviction object");
  assert.equal((await evict("p3", { deleteOptions: { preconditions: { uid: "x" } } })).code, 409);
  assert.equal((await client.get(`${PODS}/p3`)).body.status.conditions, undefined);
  assert.equal((await evict("nobody")).code, 404);
});

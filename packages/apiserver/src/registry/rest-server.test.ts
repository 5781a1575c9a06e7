// The verbs as clients see them, against a real server and etcd.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveApi } from "../testing/serve-api.ts";

const { client } = await serveApi();
const CM = "/api/v1/namespaces/default/configmaps";
const PODS = "/api/v1/namespaces/default/pods";

const configMap = (name: string, more: object = {}) => ({ metadata: { name }, data: { a: "1" }, ...more });
const pod = (name: string, more: object = {}) => ({
  metadata: { name },
  spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }], ...more },
});

test("create fills identity and answers 201; a second one is 409 AlreadyExists", async () => {
  const made = await client.post(CM, configMap("c1"));
  assert.equal(made.code, 201);
  const { metadata } = made.body;
  assert.match(metadata.uid, /^[0-9a-f-]{36}$/);
  assert.match(metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.ok(Number(metadata.resourceVersion) > 0);
  const again = await client.post(CM, configMap("c1"));
  assert.equal(again.code, 409);
  assert.equal(again.body.message, 'configmaps "c1" already exists');
  assert.deepEqual(again.body.details, { name: "c1", kind: "configmaps" });
});

test("generateName makes names; dry run stores nothing", async () => {
  const made = await client.post(`${CM}?dryRun=All`, { metadata: { generateName: "g-" } });
  assert.equal(made.code, 201);
  assert.match(made.body.metadata.name, /^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  assert.equal((await client.get(`${CM}/${made.body.metadata.name}`)).code, 404);
});

test("update refuses a stale resourceVersion and does not write what changes nothing", async () => {
  const { body: first } = await client.post(CM, configMap("c2"));
  const second = await client.put(`${CM}/c2`, { ...first, data: { a: "2" } });
  assert.equal(second.code, 200);
  const stale = await client.put(`${CM}/c2`, { ...first, data: { a: "3" } });
  assert.equal(stale.code, 409);
  assert.match(
    stale.body.message,
    /^Operation cannot be fulfilled on configmaps "c2": the object has been modified; please apply/,
  );
  const same = await client.put(`${CM}/c2`, second.body);
  assert.equal(same.body.metadata.resourceVersion, second.body.metadata.resourceVersion);
  const unconditional = await client.put(`${CM}/c2`, configMap("c2", { data: { a: "4" } }));
  assert.equal(unconditional.body.data.a, "4");
  assert.equal(unconditional.body.metadata.uid, first.metadata.uid);
  assert.equal((await client.put(`${CM}/nope`, configMap("nope"))).code, 404);
  assert.equal((await client.put(`${CM}/c2`, configMap("other"))).code, 400);
});

test("patches of all three kinds apply; a patch with an old resourceVersion conflicts", async () => {
  const { body } = await client.post(CM, configMap("c3"));
  const json = await client.call("PATCH", `${CM}/c3`, {
    type: "application/json-patch+json",
    body: [{ op: "add", path: "/data/b", value: "x" }],
  });
  assert.deepEqual(json.body.data, { a: "1", b: "x" });
  assert.deepEqual((await client.merge(`${CM}/c3`, { data: { b: null } })).body.data, { a: "1" });
  const strategic = await client.call("PATCH", `${CM}/c3`, {
    type: "application/strategic-merge-patch+json",
    body: { metadata: { labels: { l: "1" } } },
  });
  assert.deepEqual(strategic.body.metadata.labels, { l: "1" });
  const stale = await client.merge(`${CM}/c3`, {
    metadata: { resourceVersion: body.metadata.resourceVersion },
    data: {},
  });
  assert.equal(stale.code, 409);
});

test("patches and bodies of unknown formats get 415 with a Status that names what is read", async () => {
  await client.post(CM, configMap("c4"));
  const apply = await client.call("PATCH", `${CM}/c4`, { type: "application/apply-patch+cbor", body: "data: {}" });
  assert.equal(apply.code, 415);
  assert.match(apply.body.message, /application\/json-patch\+json/);
  const cbor = await client.post(CM, "x", { type: "application/cbor" });
  assert.equal(cbor.code, 415);
  assert.equal(cbor.body.reason, "UnsupportedMediaType");
});

test("fieldValidation reports unknown and duplicate fields as asked", async () => {
  const body = '{"metadata":{"name":"v1"},"data":{},"foo":1,"data":{"a":"b"}}';
  const strict = await client.post(`${CM}?fieldValidation=Strict`, body);
  assert.equal(strict.code, 400);
  assert.match(strict.body.message, /strict decoding error: .*duplicate field "data".*unknown field "foo"/);
  const warn = await client.post(CM, body);
  assert.equal(warn.code, 201);
  assert.match(String(warn.headers.warning), /299 - "unknown field \\"foo\\""/);
  const ignore = await client.post(`${CM}?fieldValidation=Ignore`, body.replace('"v1"', '"v2"'));
  assert.equal(ignore.headers.warning, undefined);
});

test("graceful deletion of a pod marks it, and the kubelet's last delete removes it", async () => {
  const { body: made } = await client.post(PODS, pod("p1"));
  const first = await client.delete(`${PODS}/p1`);
  assert.equal(first.code, 200);
  assert.equal(first.body.metadata.deletionGracePeriodSeconds, 30);
  assert.ok(first.body.metadata.deletionTimestamp);
  const longer = await client.delete(`${PODS}/p1`, { gracePeriodSeconds: 60 });
  assert.equal(longer.body.metadata.deletionGracePeriodSeconds, 30);
  const shorter = await client.delete(`${PODS}/p1`, { gracePeriodSeconds: 5 });
  assert.equal(shorter.body.metadata.deletionGracePeriodSeconds, 5);
  const other = await client.delete(`${PODS}/p1`, { gracePeriodSeconds: 0, preconditions: { uid: "not-it" } });
  assert.equal(other.code, 409);
  assert.match(other.body.message, /the UID in the precondition \(not-it\) does not match the UID in record/);
  const last = await client.delete(`${PODS}/p1`, { gracePeriodSeconds: 0, preconditions: { uid: made.metadata.uid } });
  assert.equal(last.body.kind, "Pod");
  assert.equal((await client.get(`${PODS}/p1`)).code, 404);
});

test("an object with finalizers goes when the last of them is taken away, and takes no new ones", async () => {
  await client.post(CM, { ...configMap("f1"), metadata: { name: "f1", finalizers: ["a.b/c"] } });
  const marked = await client.delete(`${CM}/f1`, { propagationPolicy: "Foreground" });
  assert.equal(marked.code, 202);
  assert.deepEqual(marked.body.metadata.finalizers, ["a.b/c", "foregroundDeletion"]);
  const more = await client.merge(`${CM}/f1`, { metadata: { finalizers: ["a.b/c", "foregroundDeletion", "x.y/z"] } });
  assert.equal(more.code, 422);
  const gone = await client.merge(`${CM}/f1`, { metadata: { finalizers: null } });
  assert.equal(gone.code, 200);
  assert.equal((await client.get(`${CM}/f1`)).code, 404);
});

test("deletion of other kinds answers with a Status that names the object", async () => {
  const { body } = await client.post(CM, configMap("d1"));
  const answer = await client.delete(`${CM}/d1`);
  assert.deepEqual(answer.body, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name: "d1", kind: "configmaps", uid: body.metadata.uid },
  });
});

test("binding gives a pod its node once", async () => {
  await client.post(PODS, pod("b1", { nodeName: "" }));
  const target = { kind: "Node", name: "n7" };
  const bound = await client.post(`${PODS}/b1/binding`, { metadata: { name: "b1" }, target });
  assert.equal(bound.code, 201);
  const { body } = await client.get(`${PODS}/b1`);
  assert.equal(body.spec.nodeName, "n7");
  assert.equal(body.status.conditions[0].type, "PodScheduled");
  const again = await client.post(`${PODS}/b1/binding`, { metadata: { name: "b1" }, target });
  assert.equal(again.code, 409);
  assert.match(again.body.message, /pods\/binding "b1": pod b1 is already assigned to node "n7"/);
  const legacy = await client.post("/api/v1/namespaces/default/bindings", { metadata: { name: "b1" }, target: {} });
  assert.equal(legacy.code, 422);
});

test("status and spec are written apart, and scale writes replicas", async () => {
  const path = "/apis/apps/v1/namespaces/default/deployments";
  const template = { metadata: { labels: { a: "b" } }, spec: pod("x", { nodeName: "" }).spec };
  const spec = { replicas: 1, selector: { matchLabels: { a: "b" } }, template };
  const { body } = await client.post(path, { metadata: { name: "d" }, spec });
  assert.equal(body.metadata.generation, 1);
  const status = await client.put(`${path}/d/status`, {
    ...body,
    spec: { ...body.spec, replicas: 9 },
    status: { replicas: 2 },
  });
  assert.equal(status.body.spec.replicas, 1);
  assert.equal(status.body.status.replicas, 2);
  const scaled = await client.merge(`${path}/d/scale`, { spec: { replicas: 3 } });
  assert.deepEqual(scaled.body.spec, { replicas: 3 });
  const { body: after } = await client.get(`${path}/d`);
  assert.deepEqual([after.spec.replicas, after.metadata.generation, after.status.replicas], [3, 2, 2]);
});

test("a namespace is Terminating until it is finalized", async () => {
  await client.post("/api/v1/namespaces", { metadata: { name: "t1" } });
  const going = await client.delete("/api/v1/namespaces/t1");
  assert.equal(going.body.status.phase, "Terminating");
  const refused = await client.post("/api/v1/namespaces/t1/configmaps", configMap("x"));
  assert.equal(refused.code, 403);
  await client.put("/api/v1/namespaces/t1/finalize", { ...going.body, spec: { finalizers: [] } });
  assert.equal((await client.get("/api/v1/namespaces/t1")).code, 404);
});

test("32 writers on one object lose no update", async () => {
  await client.post(CM, configMap("race", { data: {} }));
  const writers = Array.from({ length: 32 }, (_, i) => client.merge(`${CM}/race`, { data: { [`k${i}`]: "v" } }));
  for (const answer of await Promise.all(writers)) assert.equal(answer.code, 200);
  assert.equal(Object.keys((await client.get(`${CM}/race`)).body.data).length, 32);
});

test("views: tables, partial metadata and YAML", async () => {
  await client.post(PODS, pod("v1"));
  const table = await client.get(`${PODS}/v1`, { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" });
  assert.equal(table.body.kind, "Table");
  assert.equal(table.body.columnDefinitions[0].name, "Name");
  assert.equal(table.body.rows[0].cells[0], "v1");
  assert.equal(table.body.rows[0].object.kind, "PartialObjectMetadata");
  const partial = await client.get(PODS, {
    accept: "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
  });
  assert.equal(partial.body.kind, "PartialObjectMetadataList");
  assert.equal(partial.body.items[0].spec, undefined);
  const yaml = await client.get(`${PODS}/v1`, { accept: "application/yaml" });
  assert.match(yaml.text, /^apiVersion: v1$/m);
  assert.equal((await client.get(PODS, { accept: "text/csv" })).code, 406);
});

test("deletecollection takes a selector and leaves the rest", async () => {
  for (const name of ["s1", "s2"])
    await client.post(CM, { ...configMap(name), metadata: { name, labels: { set: name } } });
  const answer = await client.delete(`${CM}?labelSelector=set%3Ds1`);
  assert.deepEqual(
    answer.body.items.map((item: { metadata: { name: string } }) => item.metadata.name),
    ["s1"],
  );
  assert.equal((await client.get(`${CM}/s1`)).code, 404);
  assert.equal((await client.get(`${CM}/s2`)).code, 200);
});

test("a write whose answer the client cannot take stores nothing", async () => {
  const refused = await client.call("POST", CM, { body: configMap("unread"), headers: { accept: "text/html" } });
  assert.equal(refused.code, 406);
  assert.equal((await client.get(`${CM}/unread`)).code, 404);
});

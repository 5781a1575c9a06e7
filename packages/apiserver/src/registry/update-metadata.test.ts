// What an update may say of an object's metadata and identity, against a real server; the answers are the current release's.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { TestClient } from "../testing/test-client.ts";

let etcd: RealEtcd;
let server: RealApiServer;
let client: TestClient;
const MAPS = "/api/v1/namespaces/default/configmaps";
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
const CLASSES = "/apis/storage.k8s.io/v1/storageclasses";

before(async () => {
  etcd = await RealEtcd.start({ tls: true });
  server = await RealApiServer.start(etcd);
  client = new TestClient(server);
  await client.post(MAPS, { metadata: { name: "a" } });
  await client.post(LEASES, { metadata: { name: "a" }, spec: {} });
  await client.post(CLASSES, { metadata: { name: "a" }, provisioner: "x/y" });
});

after(async () => {
  client?.[Symbol.dispose]();
  await server?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
});

const fieldsOf = (body: { details?: { causes?: { field: string }[] } }) =>
  (body.details?.causes ?? []).map(({ field }) => field);

test("nobody begins a deletion by writing its time", async () => {
  for (const metadata of [{ deletionTimestamp: "2026-01-01T00:00:00Z" }, { deletionGracePeriodSeconds: 5 }]) {
    const refused = await client.merge(`${MAPS}/a`, { metadata });
    assert.equal(refused.code, 422);
    assert.deepEqual(
      fieldsOf(refused.body),
      Object.keys(metadata).map((field) => `metadata.${field}`),
    );
  }
  await client.merge(`${MAPS}/a`, { metadata: { finalizers: ["a.b/c"] } });
  const deleting = (await client.delete(`${MAPS}/a`)).body.metadata;
  const kept = await client.merge(`${MAPS}/a`, { metadata: { deletionTimestamp: null, labels: { a: "b" } } });
  assert.deepEqual([kept.code, kept.body.metadata.deletionTimestamp], [200, deleting.deletionTimestamp]);
  await client.merge(`${MAPS}/a`, { metadata: { finalizers: null } });
  await client.post(MAPS, { metadata: { name: "a" } });
});

test("the prefix of a generated name may change, and a namespace means nothing to what lives in none", async () => {
  const { body } = await client.merge(`${MAPS}/a`, { metadata: { generateName: "x-" } });
  assert.equal(body.metadata.generateName, "x-");
  const moved = await client.merge(`${CLASSES}/a`, { metadata: { namespace: "other", labels: { a: "b" } } });
  assert.deepEqual([moved.code, moved.body.metadata.namespace], [200, undefined]);
});

test("some kinds want to be told which version is replaced, in a patch too", async () => {
  for (const resourceVersion of ["", "0", null]) {
    const refused = await client.merge(`${LEASES}/a`, { metadata: { resourceVersion } });
    assert.equal(refused.code, 422, String(resourceVersion));
    assert.match(refused.body.message, /^leases\.coordination\.k8s\.io "a" is invalid: metadata\.resourceVersion: /);
    assert.equal((await client.merge(`${MAPS}/a`, { metadata: { resourceVersion } })).code, 200);
  }
  assert.equal((await client.merge(`${LEASES}/a`, { spec: { holderIdentity: "h" } })).code, 200);
});

test("a patch that makes another kind is refused as a patch; a strategic one cannot", async () => {
  const refused = await client.merge(`${MAPS}/a`, { kind: "Foo" });
  assert.equal(refused.code, 422);
  assert.match(
    refused.body.message,
    /^ "" is invalid: patch: Invalid value: .*: no kind "Foo" is registered for version "v1"/,
  );
  const ignored = await client.call("PATCH", `${MAPS}/a`, {
    body: { kind: "Foo", apiVersion: "v9" },
    type: "application/strategic-merge-patch+json",
  });
  assert.deepEqual([ignored.code, ignored.body.kind], [200, "ConfigMap"]);
});

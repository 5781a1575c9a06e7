// The versions beside the stored one as clients see them, against a real server and etcd.
import assert from "node:assert/strict";
import { test } from "node:test";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { serveApi } from "../testing/serve-api.ts";

const { client } = await serveApi();
const OLD = "/apis/networking.k8s.io/v1beta1/namespaces/default/ingresses";
const NEW = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";

const old = (name: string) => ({
  apiVersion: "networking.k8s.io/v1beta1",
  kind: "Ingress",
  metadata: { name },
  spec: { backend: { serviceName: "s", servicePort: 80 } },
});
const backendOf = { service: { name: "s", port: { number: 80 } } };

test("an object made in one version is read in the other, with a warning for the older", async () => {
  const made = await client.post(OLD, old("v1"));
  assert.deepEqual([made.code, made.body.apiVersion], [201, "networking.k8s.io/v1beta1"]);
  assert.deepEqual(made.body.spec, old("v1").spec);
  assert.match(String(made.headers.warning), /networking\.k8s\.io\/v1beta1 Ingress is deprecated in v1\.19\+/);
  const stored = await client.get(`${NEW}/v1`);
  assert.deepEqual([stored.body.apiVersion, stored.body.spec.defaultBackend], ["networking.k8s.io/v1", backendOf]);
  assert.equal(stored.headers.warning, undefined);
  const wrong = await client.post(NEW, old("v1-wrong"));
  assert.equal(wrong.code, 400);
});

test("lists, Tables and watches show the version that was asked for", async () => {
  await client.post(OLD, old("lw"));
  const list = await client.get(`${OLD}?fieldSelector=metadata.name=lw`);
  assert.deepEqual([list.body.kind, list.body.apiVersion], ["IngressList", "networking.k8s.io/v1beta1"]);
  assert.equal(list.body.items[0].spec.backend.serviceName, "s");
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
  const table = await client.get(`${OLD}?includeObject=Object&fieldSelector=metadata.name=lw`, { accept });
  assert.deepEqual(table.body.rows[0].cells.slice(0, 3), ["lw", "<none>", "*"]);
  assert.equal(table.body.rows[0].object.spec.backend.servicePort, 80);
  using watch = client.watch(`${OLD}?watch=1&fieldSelector=metadata.name=lw`);
  await client.merge(`${NEW}/lw`, { metadata: { labels: { a: "b" } } });
  await waitFor("both events", () => watch.events.length >= 2);
  const versions = watch.events.map(({ object }) => object.apiVersion);
  assert.deepEqual(versions, ["networking.k8s.io/v1beta1", "networking.k8s.io/v1beta1"]);
});

test("patches and updates speak the version of their path", async () => {
  await client.post(OLD, old("patched"));
  const patched = await client.merge(`${OLD}/patched`, { spec: { backend: { servicePort: "http" } } });
  assert.deepEqual(patched.body.spec.backend, { serviceName: "s", servicePort: "http" });
  const { body } = await client.get(`${OLD}/patched`);
  const put = await client.put(`${OLD}/patched`, { ...body, spec: { backend: { serviceName: "t", servicePort: 1 } } });
  assert.equal(put.code, 200);
  const stored = await client.get(`${NEW}/patched`);
  assert.deepEqual(stored.body.spec.defaultBackend, { service: { name: "t", port: { number: 1 } } });
  const applied = await client.call("PATCH", `${OLD}/applied?fieldManager=me`, {
    type: "application/apply-patch+yaml",
    body: old("applied"),
  });
  assert.deepEqual([applied.code, applied.body.spec], [201, old("applied").spec]);
});

test("events are the same objects in both groups", async () => {
  const event = {
    metadata: { name: "e" },
    eventTime: "2026-01-01T00:00:00.000000Z",
    regarding: { kind: "Pod", name: "p", namespace: "default" },
    reportingController: "c",
    reportingInstance: "i",
    action: "a",
    reason: "r",
    type: "Normal",
    note: "hello",
  };
  const made = await client.post("/apis/events.k8s.io/v1/namespaces/default/events", event);
  assert.deepEqual([made.code, made.body.apiVersion, made.body.note], [201, "events.k8s.io/v1", "hello"]);
  const core = await client.get("/api/v1/namespaces/default/events/e");
  assert.deepEqual([core.body.apiVersion, core.body.message, core.body.involvedObject.name], ["v1", "hello", "p"]);
});

test("field selectors speak the names of their version", async () => {
  const list = "/apis/events.k8s.io/v1/namespaces/default/events?fieldSelector=";
  const found = async (selector: string) => {
    const { code, body } = await client.get(`${list}${selector}`);
    return [code, code === 200 ? body.items.length : body.message];
  };
  assert.deepEqual(await found("regarding.name=p,reportingController=c,type=Normal"), [200, 1]);
  assert.deepEqual(await found("regarding.name=q"), [200, 0]);
  assert.deepEqual(await found("involvedObject.name=p"), [400, "field label not supported: involvedObject.name"]);
});

test("discovery and OpenAPI tell of every version", async () => {
  const { body } = await client.get("/apis/autoscaling");
  assert.deepEqual(
    body.versions.map(({ version }: { version: string }) => version),
    ["v2", "v1", "v2beta2"],
  );
  const { body: resources } = await client.get("/apis/events.k8s.io/v1");
  assert.deepEqual(
    resources.resources.map(({ name }: { name: string }) => name),
    ["events"],
  );
  const { body: document } = await client.get("/openapi/v3/apis/networking.k8s.io/v1beta1");
  const { properties } = document.components.schemas["io.k8s.api.networking.v1beta1.IngressBackend"];
  assert.deepEqual(Object.keys(properties).sort(), ["resource", "serviceName", "servicePort"]);
});

// Server-side apply and managedFields as clients see them, against a real server and etcd.
import assert from "node:assert/strict";
import { test } from "node:test";
import { serveApi } from "../testing/serve-api.ts";
import type { TestAnswer } from "../testing/test-client.ts";

const { client } = await serveApi();
const CM = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments";
const PODS = "/api/v1/namespaces/default/pods";

function apply(path: string, manager: string, body: unknown, more = ""): Promise<TestAnswer> {
  const query = `fieldManager=${manager}${more}`;
  return client.call("PATCH", `${path}?${query}`, { type: "application/apply-patch+yaml", body });
}

const configMap = (name: string, data: object, metadata: object = {}) => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data,
});

const deployment = (name: string, spec: object) => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name },
  spec: {
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "i" }] } },
    ...spec,
  },
});

/** `manager/operation/subresource` of each entry. */
function ownersOf({ body }: TestAnswer): string[] {
  const entries: { manager: string; operation: string; subresource?: string }[] = body.metadata.managedFields ?? [];
  return entries.map((e) => `${e.manager}/${e.operation}${e.subresource ? `/${e.subresource}` : ""}`);
}

test("apply makes the object with 201, changes it with 200, and writes nothing where nothing changes", async () => {
  const made = await apply(
    `${CM}/a1`,
    "me",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a1\ndata:\n  x: '1'\n",
  );
  assert.equal(made.code, 201);
  const [entry] = made.body.metadata.managedFields;
  assert.match(entry.time, /^\d{4}-.*Z$/);
  assert.deepEqual(
    { ...entry, time: "" },
    {
      manager: "me",
      operation: "Apply",
      apiVersion: "v1",
      time: "",
      fieldsType: "FieldsV1",
      fieldsV1: { "f:data": { "f:x": {} } },
    },
  );
  const same = await apply(`${CM}/a1`, "me", configMap("a1", { x: "1" }));
  assert.equal(same.code, 200);
  assert.deepEqual(same.body, made.body);
  const next = await apply(`${CM}/a1`, "me", configMap("a1", { y: "2" }));
  assert.deepEqual(next.body.data, { y: "2" });
  // The same value by another manager changes its owners, so it is written.
  const shared = await apply(`${CM}/a1`, "you", configMap("a1", { y: "2" }));
  assert.notEqual(shared.body.metadata.resourceVersion, next.body.metadata.resourceVersion);
  // It changes nothing else, so that it has no time and comes first.
  assert.deepEqual(ownersOf(shared), ["you/Apply", "me/Apply"]);
});

test("a conflict is 409 with causes; force takes over; dry run stores nothing", async () => {
  await client.post(`${DEPLOYMENTS}?fieldManager=kubectl-create`, deployment("d1", { replicas: 1 }));
  const config = deployment("d1", { replicas: 2 });
  const refused = await apply(`${DEPLOYMENTS}/d1`, "me", config);
  assert.equal(refused.code, 409);
  assert.equal(refused.body.reason, "Conflict");
  assert.equal(
    refused.body.message,
    'Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1: .spec.replicas',
  );
  assert.deepEqual(refused.body.details.causes, [
    {
      reason: "FieldManagerConflict",
      message: 'conflict with "kubectl-create" using apps/v1',
      field: ".spec.replicas",
    },
  ]);
  const tried = await apply(`${DEPLOYMENTS}/d1`, "me", config, "&force=true&dryRun=All");
  assert.equal(tried.body.spec.replicas, 2);
  assert.equal((await client.get(`${DEPLOYMENTS}/d1`)).body.spec.replicas, 1);
  const forced = await apply(`${DEPLOYMENTS}/d1`, "me", config, "&force=true");
  assert.equal(forced.body.spec.replicas, 2);
  assert.equal(forced.body.metadata.generation, 2);
  const other = forced.body.metadata.managedFields.find((e: { manager: string }) => e.manager === "kubectl-create");
  assert.equal("f:replicas" in other.fieldsV1["f:spec"], false);
});

test("bad requests to apply are told in upstream's words, and nothing is stored", async () => {
  const path = `${CM}/bad`;
  const cases: [Promise<TestAnswer>, number, string | RegExp][] = [
    [
      client.call("PATCH", path, { type: "application/apply-patch+yaml", body: configMap("bad", {}) }),
      422,
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    ],
    [apply(path, "x".repeat(129), configMap("bad", {})), 422, /fieldManager: Too long: may not be more than 128 bytes/],
    [apply(path, "a%07b", configMap("bad", {})), 422, /invalid character U\+0007 \(at position 1\)/],
    [apply(path, "me", configMap("bad", {}, { managedFields: [] })), 400, "metadata.managedFields must be nil"],
    [apply(path, "me", { ...configMap("bad", {}), kind: "Pod" }), 400, "invalid object type: /v1, Kind=Pod"],
    [
      apply(path, "me", { ...configMap("bad", {}), foo: 1 }),
      400,
      "failed to create typed patch object (/bad; /v1, Kind=ConfigMap): .foo: field not declared in schema",
    ],
    [apply(path, "me", "[1]"), 400, /^error decoding YAML: /],
    [apply(path, "me", "a: [b"), 400, /^error decoding YAML: /],
    [
      apply(path, "me", configMap("bad", {}, { uid: "u-1" })),
      409,
      /uid mismatch: the provided object specified uid u-1/,
    ],
    [apply(path, "me", configMap("other", {})), 400, /the name of the object \(other\) does not match/],
    [
      apply(path, "me", `{"apiVersion":"v1","data":${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}}`),
      400,
      /max depth$/,
    ],
    [apply(path, "me", `a: ${"[".repeat(20_000)}`), 400, /max depth$/],
    [
      client.call("PATCH", `${path}?force=true`, { type: "application/merge-patch+json", body: {} }),
      422,
      'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    ],
  ];
  for (const [answer, code, message] of cases) {
    const { body, code: got } = await answer;
    assert.equal(got, code, body.message);
    if (typeof message === "string") assert.equal(body.message, message);
    else assert.match(body.message, message);
  }
  assert.equal((await client.get(path)).code, 404);
});

test("a key said twice is refused in strict mode and warned of otherwise", async () => {
  const body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\ndata:\n  a: '1'\n  a: '2'\n";
  const strict = await apply(`${CM}/twice`, "me", body, "&fieldValidation=Strict");
  assert.equal(strict.code, 400);
  const why = 'yaml: unmarshal errors:\n  line 6: key "a" already set in map';
  assert.equal(strict.body.message, `error strict decoding YAML: error converting YAML to JSON: ${why}`);
  const posted = { body: Buffer.from(body), type: "application/yaml" };
  const refused = await client.call("POST", `${CM}?fieldValidation=Strict`, posted);
  assert.ok(refused.body.message.endsWith(`strict decoding error: ${why}`), refused.body.message);
  const made = await client.call("POST", `${CM}?dryRun=All`, posted);
  assert.match(String(made.headers.warning), /line 6: key \\"a\\" already set in map/);
  const warned = await apply(`${CM}/twice`, "me", body);
  assert.deepEqual(warned.body.data, { a: "2" });
  assert.match(String(warned.headers.warning), /key \\"a\\" already set in map/);
});

test("a stale resourceVersion in a configuration conflicts; the present one is fine", async () => {
  const made = await apply(`${CM}/rv`, "me", configMap("rv", { x: "1" }));
  const { resourceVersion } = made.body.metadata;
  const fine = await apply(`${CM}/rv`, "me", configMap("rv", { x: "2" }, { resourceVersion }));
  assert.equal(fine.code, 200);
  const stale = await apply(`${CM}/rv`, "me", configMap("rv", { x: "3" }, { resourceVersion }));
  assert.equal(stale.code, 409);
  assert.match(stale.body.message, /the object has been modified/);
});

test("every way of writing records its manager, named by the parameter or the User-Agent", async () => {
  const headers = { "user-agent": "kubelet/v1.36.0 (linux/amd64)" };
  const pod = { metadata: { name: "p" }, spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }] } };
  const made = await client.post(PODS, pod, { headers });
  assert.deepEqual(ownersOf(made), ["kubelet/Update"]);
  const { fieldsV1 } = made.body.metadata.managedFields[0];
  assert.equal("f:status" in fieldsV1, false);
  assert.equal("f:volumes" in fieldsV1["f:spec"], false, "what admission adds belongs to nobody");
  const status = await client.call("PATCH", `${PODS}/p/status`, {
    type: "application/strategic-merge-patch+json",
    body: { status: { phase: "Running" } },
    headers,
  });
  assert.deepEqual(ownersOf(status), ["kubelet/Update", "kubelet/Update/status"]);
  const put = await client.put(`${PODS}/p?fieldManager=put`, {
    ...status.body,
    metadata: { ...status.body.metadata, labels: { l: "1" } },
  });
  assert.deepEqual(ownersOf(put).toSorted(), ["kubelet/Update", "kubelet/Update/status", "put/Update"]);
  const same = await client.put(`${PODS}/p?fieldManager=other`, put.body);
  assert.equal(same.body.metadata.resourceVersion, put.body.metadata.resourceVersion);
});

test("scale owns the replica count of the object; an applier of another count conflicts with it", async () => {
  const path = `${DEPLOYMENTS}/s1`;
  await apply(path, "me", deployment("s1", { replicas: 1 }));
  await client.call("PATCH", `${path}/scale?fieldManager=hpa`, {
    type: "application/merge-patch+json",
    body: { spec: { replicas: 5 } },
  });
  const { body } = await client.get(path);
  const hpa = body.metadata.managedFields.find((e: { manager: string }) => e.manager === "hpa");
  assert.equal(hpa.subresource, "scale");
  assert.equal(hpa.apiVersion, "apps/v1");
  assert.deepEqual(hpa.fieldsV1, { "f:spec": { "f:replicas": {} } });
  const refused = await apply(path, "me", deployment("s1", { replicas: 2 }));
  assert.match(refused.body.message, /conflict with "hpa" with subresource "scale" using apps\/v1: \.spec\.replicas$/);
  const scale = { apiVersion: "autoscaling/v1", kind: "Scale", metadata: { name: "s1" }, spec: { replicas: 7 } };
  assert.equal((await apply(`${path}/scale`, "boss", scale)).code, 409);
  const forced = await apply(`${path}/scale`, "boss", scale, "&force=true");
  assert.equal(forced.body.spec.replicas, 7);
  const owners = (await client.get(path)).body.metadata.managedFields;
  const boss = owners.find((e: { manager: string }) => e.manager === "boss");
  assert.deepEqual([boss.subresource, boss.fieldsV1], ["scale", { "f:spec": { "f:replicas": {} } }]);
});

test("status is applied through its subresource only, and never makes an object", async () => {
  const path = `${DEPLOYMENTS}/st`;
  const config = { apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "st" }, status: { replicas: 3 } };
  assert.equal((await apply(`${path}/status`, "me", config)).code, 404);
  await apply(path, "me", deployment("st", {}));
  const applied = await apply(`${path}/status`, "me", config);
  assert.equal(applied.body.status.replicas, 3);
  assert.deepEqual(ownersOf(applied), ["me/Apply", "me/Apply/status"]);
});

test("[{}] resets managedFields; an empty list does not; an edited list counts", async () => {
  await client.post(`${CM}?fieldManager=maker`, configMap("m1", { x: "1" }));
  const merge = (managedFields: unknown) => client.merge(`${CM}/m1`, { metadata: { managedFields } });
  assert.deepEqual(ownersOf(await merge([])), ["maker/Update"]);
  const { body } = await client.get(`${CM}/m1`);
  const renamed = await merge([{ ...body.metadata.managedFields[0], manager: "kubectl", operation: "Apply" }]);
  assert.deepEqual(ownersOf(renamed), ["kubectl/Apply"]);
  assert.deepEqual(ownersOf(await merge([{}])), []);
  assert.deepEqual(ownersOf(await client.merge(`${CM}/m1`, { data: { y: "1" } })), []);
  assert.deepEqual(ownersOf(await apply(`${CM}/m1`, "me", configMap("m1", { x: "1" }))), [
    "me/Apply",
    "before-first-apply/Update",
  ]);
});

test("writers who apply at once lose nothing", async () => {
  const names = Array.from({ length: 16 }, (_, i) => `w${i}`);
  const answers = await Promise.all(names.map((name) => apply(`${CM}/race`, name, configMap("race", { [name]: "1" }))));
  assert.deepEqual(
    answers.map((a) => a.code).filter((code) => code !== 200 && code !== 201),
    [],
  );
  const { body } = await client.get(`${CM}/race`);
  assert.deepEqual(Object.keys(body.data).sort(), names.toSorted());
  assert.equal(body.metadata.managedFields.length, names.length);
});

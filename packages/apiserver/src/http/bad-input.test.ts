// Bad input of every sort against a real server: upstream's codes, a Status, nothing stored, no crash.
import assert from "node:assert/strict";
import { test } from "node:test";
import { mutate, seededRandom } from "../testing/fuzz-input.ts";
import { serveApi } from "../testing/serve-api.ts";
import type { TestAnswer } from "../testing/test-client.ts";

const { client } = await serveApi();
const NS = "/api/v1/namespaces/default";

function assertRefused(answer: TestAnswer, what: string): void {
  assert.ok(answer.code >= 400 && answer.code < 500, `${what}: ${answer.code} ${answer.text.slice(0, 300)}`);
  assert.equal(answer.body?.kind, "Status", `${what}: ${answer.text.slice(0, 300)}`);
}

test("malformed bodies of every sort are refused with a Status and nothing is stored", async () => {
  const deep = `${'{"a":'.repeat(20000)}1${"}".repeat(20000)}`;
  const bodies: [string, string, string?][] = [
    ["empty", ""],
    ["no JSON", "{"],
    ["an array", "[]"],
    ["null", "null"],
    ["a number", "7"],
    ["another kind", '{"kind":"Secret","apiVersion":"v1","metadata":{"name":"x"}}'],
    ["another version", '{"kind":"Pod","apiVersion":"v2","metadata":{"name":"x"}}'],
    ["another namespace", '{"metadata":{"name":"x","namespace":"other"}}'],
    ["metadata of a wrong type", '{"metadata":[]}'],
    ["containers of a wrong type", '{"metadata":{"name":"x"},"spec":{"containers":{}}}'],
    ["no containers", '{"metadata":{"name":"x"},"spec":{"containers":[]}}'],
    ["no spec", '{"metadata":{"name":"x"}}'],
    ["a bad name", '{"metadata":{"name":"../x"},"spec":{"containers":[{"name":"c","image":"i"}]}}'],
    ["no name", '{"spec":{"containers":[{"name":"c","image":"i"}]}}'],
    ["depth", `{"metadata":{"name":"x"},"spec":${deep}}`],
    ["prototype", '{"__proto__":{"polluted":1},"metadata":{"name":"x"}}'],
    ["a set resourceVersion", '{"metadata":{"name":"x","resourceVersion":"5"}}'],
    ["bad YAML", "a: [", "application/yaml"],
    ["YAML of another shape", "- a\n- b\n", "application/yaml"],
    ["a YAML bomb", "a: &a [1,1]\nb: &b [*a,*a]\nc: [*b,*b]\nkind: Pod\n", "application/yaml"],
    ["protobuf that is none", "hello", "application/vnd.kubernetes.protobuf"],
    ["cut protobuf", "k8s\0\n\xff", "application/vnd.kubernetes.protobuf"],
    ["an unknown type", "x", "text/plain"],
  ];
  for (const [what, body, type] of bodies) {
    assertRefused(await client.post(`${NS}/pods`, body, type ? { type } : {}), what);
  }
  assert.deepEqual((await client.get(`${NS}/pods`)).body.items, []);
  assert.equal(({} as { polluted?: number }).polluted, undefined);
});

test("what etcd finds too large is 413, whichever of its layers says so", async () => {
  for (const megabytes of [1.7, 2.9]) {
    const rules = Array.from({ length: megabytes * 1000 }, (_, i) => ({
      verbs: ["get"],
      apiGroups: [""],
      resources: [`${"r".repeat(1000)}${i}`],
    }));
    const answer = await client.post(
      "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
      JSON.stringify({ metadata: { name: "x" }, rules }),
    );
    assert.equal(answer.code, 413, answer.text.slice(0, 300));
  }
});

test("malformed patches, queries and tokens are refused with a Status", async () => {
  await client.post(`${NS}/configmaps`, { metadata: { name: "c" } });
  const path = `${NS}/configmaps/c`;
  const patches: [string, string][] = [
    ["application/json-patch+json", '{"op":"add"}'],
    ["application/json-patch+json", '[{"op":"frob","path":"/a"}]'],
    ["application/json-patch+json", '[{"op":"remove","path":"/data/none"}]'],
    ["application/json-patch+json", '[{"op":"replace","path":"/metadata/name","value":"other"}]'],
    ["application/json-patch+json", '[{"op":"add","path":"/__proto__/x","value":1}]'],
    ["application/merge-patch+json", "[]"],
    ["application/merge-patch+json", '{"metadata":{"uid":"x"}}'],
    ["application/merge-patch+json", '{"data":{"a":1}}'],
    ["application/strategic-merge-patch+json", '{"metadata":{"$patch":"frob"}}'],
    ["application/strategic-merge-patch+json", "7"],
    ["text/plain", "{}"],
  ];
  for (const [type, body] of patches)
    assertRefused(await client.call("PATCH", path, { type, body }), `${type} ${body}`);
  const queries = [
    "labelSelector=%3D%3D",
    "labelSelector=a%20in",
    "fieldSelector=a",
    "fieldSelector=no.such%3Dx",
    "limit=x",
    "continue=%00",
    "continue=e30",
    "resourceVersion=-1",
    "resourceVersion=1e9",
    "watch=1&resourceVersion=abc",
    "watch=1&timeoutSeconds=x",
    "resourceVersionMatch=Frob&resourceVersion=1",
    "timeout=frob",
  ];
  for (const query of queries) assertRefused(await client.get(`${NS}/configmaps?${query}`), query);
  for (const query of ["dryRun=Some", "fieldValidation=Frob", `fieldManager=${"x".repeat(200)}`]) {
    assertRefused(await client.post(`${NS}/configmaps?${query}`, { metadata: { name: "q" } }), query);
  }
  for (const body of ["[]", '{"propagationPolicy":"Frob"}', '{"orphanDependents":true,"propagationPolicy":"Orphan"}']) {
    assertRefused(await client.call("DELETE", path, { body }), body);
  }
  assert.equal((await client.get(path)).code, 200);
});

test("mutated bodies never bring a 5xx, and the server lives on", async () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const random = seededRandom(seed);
  const base = JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "fuzz", labels: { a: "b" }, annotations: { c: "d" }, finalizers: ["a.b/c"] },
    spec: {
      containers: [{ name: "c", image: "i", ports: [{ containerPort: 80 }], resources: { requests: { cpu: "1" } } }],
      volumes: [{ name: "v", emptyDir: {} }],
      tolerations: [{ operator: "Exists" }],
    },
  });
  for (let i = 0; i < 1500; i++) {
    const body = mutate(base, random);
    const answer = await client.post(`${NS}/pods?dryRun=All`, body);
    assert.ok(answer.code < 500, `seed ${seed} round ${i}: ${answer.code} for ${body}\n${answer.text}`);
  }
  assert.equal((await client.get("/readyz")).code, 200);
});

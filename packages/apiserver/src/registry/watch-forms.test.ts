// The other ways to watch: WebSockets, the older paths, Tables and metadata only, against a real server.
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { clientCertificate } from "@skiff/testkit/real-api-server.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { Agent, WebSocket } from "undici";
import { serveApi } from "../testing/serve-api.ts";
import { TestClient, type TestEvent } from "../testing/test-client.ts";

const { server, client } = await serveApi();
const MAPS = "/api/v1/namespaces/default/configmaps";

before(async () => {
  for (const name of ["a", "b"]) await client.post(MAPS, { metadata: { name } });
});

function openSocket(path: string): { socket: WebSocket; events: TestEvent[]; closes: number[] } {
  const { ca, admin } = server.pki;
  const dispatcher = new Agent({ connect: { ca: ca.cert, cert: admin.cert, key: admin.key } });
  const socket = new WebSocket(`${server.url.replace("https", "wss")}${path}`, { dispatcher });
  const events: TestEvent[] = [];
  const closes: number[] = [];
  socket.addEventListener("message", ({ data }) => events.push(JSON.parse(String(data)) as TestEvent));
  socket.addEventListener("close", ({ code }) => {
    closes.push(code);
    void dispatcher.close();
  });
  return { socket, events, closes };
}

const summary = (events: readonly TestEvent[]) => events.map(({ type, object }) => `${type} ${object.metadata.name}`);

test("a watch over a WebSocket sends one message per event and closes in good order", async () => {
  const { events, closes } = openSocket(
    `${MAPS}?watch=1&timeoutSeconds=2&fieldSelector=metadata.name!%3Dkube-root-ca.crt`,
  );
  await waitFor("the state", () => events.length === 2);
  await client.merge(`${MAPS}/a`, { data: { long: "x".repeat(100_000) } });
  await client.delete(`${MAPS}/b`);
  await waitFor("the close", () => closes.length === 1);
  assert.deepEqual(summary(events), ["ADDED a", "ADDED b", "MODIFIED a", "DELETED b"]);
  assert.deepEqual(closes, [1000]);
  await client.post(MAPS, { metadata: { name: "b" } });
});

test("a WebSocket that its client closes gives up its watch; what is no watch has no WebSocket", async () => {
  const metric = async () =>
    (await client.get("/metrics")).text.match(/registered_watchers\{.*"configmaps"\} (\d+)/)?.[1];
  const before = await metric();
  const { socket, events, closes } = openSocket(`${MAPS}?watch=1`);
  await waitFor("the state", () => events.length >= 2);
  assert.notEqual(await metric(), before);
  socket.close();
  await waitFor("the end of the watch", async () => closes.length === 1 && (await metric()) === before);
  const refused = openSocket(MAPS);
  await waitFor("the refusal", () => refused.closes.length === 1);
  const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13" };
  assert.equal((await client.get(`${MAPS}?watch=1`, { headers })).code, 400, "no key");
});

test("the older /watch/ paths watch a resource, a namespace and one object", async () => {
  for (const [path, wanted] of [
    ["/api/v1/watch/configmaps", ["ADDED a", "ADDED b"]],
    ["/api/v1/watch/namespaces/default/configmaps", ["ADDED a", "ADDED b"]],
    ["/api/v1/watch/namespaces/default/configmaps/a", ["ADDED a"]],
    ["/api/v1/watch/namespaces/default/configmaps/a?fieldSelector=metadata.name%3Da", ["ADDED a"]],
  ] as const) {
    const answer = await client.get(`${path}${path.includes("?") ? "&" : "?"}timeoutSeconds=1`);
    const events = answer.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as TestEvent);
    const ours = summary(events).filter((line) => /^ADDED [ab]$/.test(line));
    assert.deepEqual(ours, wanted, path);
    if (wanted.length === 1) assert.equal(events.length, 1, path);
  }
  assert.equal(
    (await client.get("/api/v1/watch/namespaces/default/configmaps/a?fieldSelector=metadata.name%3Db")).code,
    400,
  );
  assert.equal((await client.post("/api/v1/watch/namespaces/default/configmaps", {})).code, 405);
});

test("who may watch one object sees no other, however the URL is turned", async () => {
  const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
  const rules = [{ apiGroups: [""], resources: ["configmaps"], resourceNames: ["a"], verbs: ["get", "list", "watch"] }];
  await client.post(`${rbac}/roles`, { metadata: { name: "one" }, rules });
  await client.post(`${rbac}/rolebindings`, {
    metadata: { name: "one" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "one" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "jane" }],
  });
  using jane = new TestClient(server, await clientCertificate(server.pki, "jane"));
  await waitFor("the binding", async () => (await jane.get(`${MAPS}/a`)).code === 200);
  assert.equal((await jane.get(`${MAPS}/a?watch=1`)).body.metadata.name, "a", "a name makes it a get");
  const tricks = [
    `${MAPS}?watch=1&timeoutSeconds=1`,
    `${MAPS}?fieldSelector=metadata.name!%3D%5C,metadata.name%3Da,metadata.name%3Db`,
    `/api/v1/watch/namespaces/default/configmaps/b?fieldSelector=metadata.name%3Da`,
  ];
  for (const path of tricks) assert.equal((await jane.get(path)).code, 403, path);
  const own = await jane.get("/api/v1/watch/namespaces/default/configmaps/a?timeoutSeconds=1");
  assert.equal(own.text.trim().split("\n").length, 1);
});

test("watches show Tables and metadata only, and no YAML, as upstream", async () => {
  const get = (accept: string) =>
    client.get(`${MAPS}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Da`, { accept });
  const table = JSON.parse((await get("application/json;as=Table;v=v1;g=meta.k8s.io")).text) as TestEvent;
  assert.equal(table.object.kind, "Table");
  assert.equal(table.object.rows[0].cells[0], "a");
  const partial = JSON.parse(
    (await get("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io")).text,
  ) as TestEvent;
  assert.equal(partial.object.kind, "PartialObjectMetadata");
  assert.equal(partial.object.data, undefined);
  assert.equal((await get("application/yaml")).code, 406);
});

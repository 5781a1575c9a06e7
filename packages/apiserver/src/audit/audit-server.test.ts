// The audit log of a real server, in its file and at its webhook.
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { clientCertificate, RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { TestClient } from "../testing/test-client.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into events of every shape.
type Event = any;

const NS = "/api/v1/namespaces/default";
const folder = mkdtempSync(join(tmpdir(), "skiff-audit-"));
const logPath = join(folder, "logs", "audit.log");
const sent: Event[] = [];
let etcd: RealEtcd;
let server: RealApiServer;
let client: TestClient;
let webhook: Server;

const POLICY = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  nonResourceURLs: ["/readyz*", "/healthz*"]
- level: None
  users: ["system:apiserver"]
- level: Metadata
  resources: [{ resources: [secrets] }]
- level: RequestResponse
  resources: [{ resources: [configmaps] }]
- level: Request
  omitStages: [RequestReceived]
  resources: [{ resources: [serviceaccounts] }]
- level: Metadata
  omitStages: [RequestReceived]
`;

before(async () => {
  webhook = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      sent.push(...JSON.parse(Buffer.concat(chunks).toString()).items);
      response.end();
    });
  });
  await new Promise<void>((resolve) => webhook.listen(0, "127.0.0.1", resolve));
  const { port } = webhook.address() as AddressInfo;
  const file = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const config = {
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}/` } }],
    contexts: [{ name: "x", context: { cluster: "c" } }],
    "current-context": "x",
  };
  etcd = await RealEtcd.start({ tls: true });
  const flags = [
    `--audit-policy-file=${file("policy.yaml", POLICY)}`,
    `--audit-log-path=${logPath}`,
    `--audit-webhook-config-file=${file("webhook.json", JSON.stringify(config))}`,
    "--audit-webhook-batch-max-wait=50ms",
  ];
  server = await RealApiServer.start(etcd, { flags });
  client = new TestClient(server);
});

after(async () => {
  client?.[Symbol.dispose]();
  await server?.[Symbol.asyncDispose]();
  await etcd?.[Symbol.asyncDispose]();
  webhook?.close();
  rmSync(folder, { recursive: true });
});

const logged = (): Event[] =>
  readFileSync(logPath, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** The events of one request, once its last one is there. */
async function eventsOf(id: string): Promise<Event[]> {
  return await waitFor("the events", () => {
    const events = logged().filter((event) => event.auditID === id);
    return events.some((event) => event.stage === "ResponseComplete" || event.user.username === undefined) && events;
  });
}

test("at RequestResponse an event holds both bodies, who, what, when and why, at every stage", async () => {
  const answer = await client.post(`${NS}/configmaps`, { metadata: { name: "a" }, data: { k: "v" } });
  const id = String(answer.headers["audit-id"]);
  const events = await eventsOf(id);
  assert.deepEqual(
    events.map((event) => event.stage),
    ["RequestReceived", "ResponseComplete"],
  );
  const [, event] = events;
  assert.equal(event.level, "RequestResponse");
  assert.equal(event.requestURI, `${NS}/configmaps`);
  assert.equal(event.verb, "create");
  assert.equal(event.user.username, "admin");
  assert.deepEqual(event.user.groups, ["system:masters", "system:authenticated"]);
  assert.deepEqual(event.sourceIPs, ["127.0.0.1"]);
  assert.deepEqual(event.objectRef, { resource: "configmaps", namespace: "default", name: "a", apiVersion: "v1" });
  assert.deepEqual(event.responseStatus, { metadata: {}, code: 201 });
  assert.deepEqual(event.requestObject.data, { k: "v" });
  assert.equal(event.responseObject.metadata.uid, answer.body.metadata.uid);
  assert.equal(event.annotations["authorization.k8s.io/decision"], "allow");
  assert.match(event.stageTimestamp, /^\d{4}-\d\d-\d\dT[\d:]+\.\d{6}Z$/);
});

test("at Metadata no body is told, of a Secret neither written, read nor listed", async () => {
  const secret = { metadata: { name: "s" }, stringData: { password: "hunter2" } };
  await client.post(`${NS}/secrets`, secret);
  await client.get(`${NS}/secrets/s`);
  const last = await client.get(`${NS}/secrets`);
  await eventsOf(String(last.headers["audit-id"]));
  const text = readFileSync(logPath, "utf8");
  assert.equal(text.includes("hunter2") || text.includes(Buffer.from("hunter2").toString("base64")), false);
  const created = logged().find((event) => event.objectRef?.name === "s" && event.verb === "create");
  assert.equal(created.level, "Metadata");
  assert.equal("requestObject" in created || "responseObject" in created, false);
});

test("at Request the body that was sent is told, and an error with its Status", async () => {
  const answer = await client.post(`${NS}/serviceaccounts`, { metadata: { name: "Not A Name" } });
  const [event] = await eventsOf(String(answer.headers["audit-id"]));
  assert.equal(event.requestObject.metadata.name, "Not A Name");
  assert.equal("responseObject" in event, false);
  assert.deepEqual(
    [event.responseStatus.code, event.responseStatus.reason, event.responseStatus.status],
    [422, "Invalid", "Failure"],
  );
});

test("lists, watches, refusals and impersonation are told; a client may name its request", async () => {
  const list = await client.get(`${NS}/configmaps`, { headers: { "audit-id": "mine-1" } });
  assert.equal(list.headers["audit-id"], "mine-1");
  const [, listed] = await eventsOf("mine-1");
  assert.equal(listed.responseObject.items.length, list.body.items.length);
  const watch = await client.get(`${NS}/configmaps?watch=1&timeoutSeconds=1`);
  const stages = (await eventsOf(String(watch.headers["audit-id"]))).map((event) => event.stage);
  assert.deepEqual(stages, ["RequestReceived", "ResponseStarted", "ResponseComplete"]);
  using jane = new TestClient(server, await clientCertificate(server.pki, "jane"));
  const refused = await jane.get(`${NS}/pods`);
  const [forbidden] = await eventsOf(String(refused.headers["audit-id"]));
  assert.equal(forbidden.annotations["authorization.k8s.io/decision"], "forbid");
  const as = await client.get(`${NS}/pods`, { headers: { "impersonate-user": "joe" } });
  const [acted] = await eventsOf(String(as.headers["audit-id"]));
  assert.deepEqual([acted.user.username, acted.impersonatedUser.username], ["admin", "joe"]);
  const wrong = await client.get("/version", { headers: { authorization: "Bearer not.a.token" } });
  assert.equal(wrong.code, 200, "the certificate is a proof as well");
  using nobody = new TestClient(server, { cert: "", key: "" });
  const unknown = await nobody.get("/version", { headers: { authorization: "Bearer not.a.token" } });
  const [failed] = await eventsOf(String(unknown.headers["audit-id"]));
  assert.deepEqual([failed.stage, failed.responseStatus.code, failed.user], ["ResponseStarted", 401, {}]);
});

test("annotations tell deprecated versions, and which token was made", async () => {
  const old = await client.get("/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets");
  const [deprecated] = await eventsOf(String(old.headers["audit-id"]));
  assert.equal(deprecated.annotations["k8s.io/deprecated"], "true");
  assert.equal(deprecated.annotations["k8s.io/removed-release"], "1.25");
  await client.post(`${NS}/serviceaccounts`, { metadata: { name: "robot" } });
  const made = await client.post(`${NS}/serviceaccounts/robot/token`, { spec: {} });
  const claims = JSON.parse(Buffer.from(made.body.status.token.split(".")[1], "base64url").toString());
  const [issued] = await eventsOf(String(made.headers["audit-id"]));
  assert.equal(issued.annotations["authentication.kubernetes.io/issued-credential-id"], `JTI=${claims.jti}`);
});

test("the webhook gets the same events, and a stop writes what waits", async () => {
  const answer = await client.delete(`${NS}/configmaps/a`);
  const id = String(answer.headers["audit-id"]);
  await waitFor("the webhook", () => sent.some((event) => event.auditID === id && event.stage === "ResponseComplete"));
  await server.stop();
  const ids = (events: Event[]) => new Set(events.map((event) => `${event.auditID} ${event.stage}`));
  assert.deepEqual([...ids(sent)].sort(), [...ids(logged())].sort());
  assert.equal(
    logged().some((event) => event.requestURI.startsWith("/readyz")),
    false,
    "level None",
  );
});

test("a policy that cannot be used ends the start with its reason", async () => {
  const path = join(folder, "bad.yaml");
  writeFileSync(path, "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: []\n");
  const flags = [`--audit-policy-file=${path}`, "--audit-log-path=-"];
  await assert.rejects(RealApiServer.start(etcd, { flags, like: server }), /0 rules/);
});

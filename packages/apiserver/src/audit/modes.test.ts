// How audit events are kept from getting lost, or from costing too much: waiting, slowing down, cutting down.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { UsageError } from "@skiff/component-base/flags.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { TestClient } from "../testing/test-client.ts";
import { auditConfig, auditFlags } from "./audit-flags.ts";
import { legacyLine, truncateEvent } from "./event-text.ts";
import { GroupWriter } from "./group-writer.ts";
import { LogFile } from "./log-file.ts";
import { Throttle } from "./throttle.ts";

const defaults = Object.fromEntries(Object.entries(auditFlags).map(([name, flag]) => [name, flag.default]));
const configOf = (changes: object) => auditConfig({ ...defaults, ...changes } as Parameters<typeof auditConfig>[0]);

test("auditConfig has upstream's defaults and refuses what upstream refuses", () => {
  const { log, webhook } = configOf({});
  assert.deepEqual([log.sink.mode, webhook.sink.mode], ["blocking", "batch"]);
  assert.deepEqual(log.sink.batch, { bufferSize: 10_000, maxSize: 1, maxWaitMs: 0 });
  assert.deepEqual(webhook.sink.batch, { bufferSize: 10_000, maxSize: 400, maxWaitMs: 30_000 });
  assert.deepEqual([log.sink.throttle, webhook.sink.throttle], [undefined, { qps: 10, burst: 15 }]);
  assert.deepEqual([webhook.sink.maxEventBytes, webhook.sink.maxBatchBytes], [undefined, undefined]);
  const cut = configOf({ "audit-log-truncate-enabled": true }).log.sink;
  assert.deepEqual([cut.maxEventBytes, cut.maxBatchBytes], [102_400, 10_485_760]);
  const refused = [
    { "audit-log-mode": "lazy" },
    { "audit-webhook-version": "audit.k8s.io/v1beta1" },
    { "audit-log-format": "xml" },
    { "audit-webhook-batch-max-size": 0 },
    { "audit-webhook-batch-throttle-qps": 0 },
    { "audit-log-maxage": -1 },
  ];
  for (const flags of refused) assert.throws(() => configOf(flags), UsageError);
});

test("GroupWriter writes together what came during a write, and tells each whether it is stored", async () => {
  const written: string[][] = [];
  const finish: ((stored: boolean) => void)[] = [];
  const write = (events: readonly string[]) => {
    written.push([...events]);
    return new Promise<boolean>((resolve) => finish.push(resolve));
  };
  const writer = new GroupWriter({ capacity: 3, maxChars: 100, maxBatchChars: 4 }, write);
  const first = writer.push("a");
  const [second, third, fourth] = ["bb", "cc", "dd"].map((event) => writer.push(event));
  assert.equal(await writer.push("e"), false, "three wait already");
  finish[0]?.(true);
  assert.equal(await first, true);
  assert.deepEqual(written, [["a"], ["bb", "cc"]]);
  const closed = writer.close();
  finish[1]?.(false);
  assert.deepEqual([await second, await third], [false, false]);
  finish[2]?.(true);
  assert.equal(await fourth, true);
  await closed;
  assert.equal(await writer.push("late"), false);
});

test("Throttle lets a burst through and spaces the rest", async () => {
  const clock = new FakeClock();
  const throttle = new Throttle({ qps: 10, burst: 2 }, clock);
  const { signal } = new AbortController();
  await throttle.wait(signal);
  await throttle.wait(signal);
  let passed = 0;
  const rest = [0, 1].map(() => throttle.wait(signal).then(() => passed++));
  await clock.advance(99);
  assert.equal(passed, 0);
  await clock.advance(1);
  assert.equal(passed, 1);
  await clock.advance(100);
  await Promise.all(rest);
});

const EVENT = {
  ...{ kind: "Event", auditID: "7", stage: "ResponseComplete", verb: "create", requestURI: "/api?x=1" },
  user: { username: "jane", groups: ["a", "b"] },
  impersonatedUser: { username: "joe", groups: ["c"] },
  ...{ sourceIPs: ["10.0.0.1"], userAgent: 'an "agent"', responseStatus: { code: 201 } },
  requestReceivedTimestamp: "2026-01-01T00:00:00.000000Z",
};

test("truncateEvent drops bodies, then the event", () => {
  const event = JSON.stringify({ ...EVENT, annotations: { a: "b" }, requestObject: { data: "x".repeat(2000) } });
  assert.equal(truncateEvent(event, undefined), event);
  assert.equal(truncateEvent(event, 10_000), event);
  const cut = JSON.parse(truncateEvent(event, 1000) ?? "");
  assert.deepEqual(cut, { ...EVENT, annotations: { a: "b", "audit.k8s.io/truncated": "true" } });
  assert.equal(truncateEvent(event, 100), undefined);
});

test("legacyLine tells an event in one line", () => {
  assert.equal(
    legacyLine(JSON.stringify(EVENT)),
    '2026-01-01T00:00:00.000000Z AUDIT: id="7" stage="ResponseComplete" ip="10.0.0.1" method="create" user="jane" ' +
      'groups="\\"a\\",\\"b\\"" as="joe" asgroups="\\"c\\"" user-agent="an \\"agent\\"" namespace="<none>" uri="/api?x=1" response="201"',
  );
});

test("LogFile compresses what it puts aside, and counts it as a backup", async () => {
  const folder = mkdtempSync(join(tmpdir(), "skiff-audit-"));
  const path = join(folder, "audit.log");
  const clock = new FakeClock();
  const file = new LogFile({ path, maxBytes: 5, maxBackups: 1, maxAgeDays: 0, compress: true }, clock);
  await file.open();
  for (const line of ["first", "second", "third"]) {
    await file.write([line]);
    await clock.advance(1000);
  }
  await file.close();
  const [backup, ...others] = readdirSync(folder).filter((name) => name !== "audit.log");
  assert.match(backup ?? "", /^audit-.*\.log\.gz$/);
  assert.deepEqual(others, []);
  assert.equal(gunzipSync(readFileSync(join(folder, backup ?? ""))).toString(), "second\n");
  rmSync(folder, { recursive: true });
});

test("in mode blocking-strict nothing is done whose event cannot be stored", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "skiff-audit-"));
  stack.defer(() => rmSync(folder, { recursive: true }));
  const stages: string[] = [];
  let code = 200;
  const webhook = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { items } = JSON.parse(Buffer.concat(chunks).toString());
      if (code === 200) for (const { stage, auditID } of items) stages.push(`${auditID} ${stage}`);
      response.writeHead(code).end();
    });
  });
  await new Promise<void>((resolve) => webhook.listen(0, "127.0.0.1", resolve));
  stack.defer(() => {
    webhook.close();
    webhook.closeAllConnections();
  });
  const { port } = webhook.address() as AddressInfo;
  const config = {
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}/` } }],
    contexts: [{ name: "x", context: { cluster: "c" } }],
    "current-context": "x",
  };
  const policy = {
    ...{ apiVersion: "audit.k8s.io/v1", kind: "Policy" },
    rules: [{ level: "Request", resources: [{ resources: ["configmaps"] }] }],
  };
  writeFileSync(join(folder, "policy.yaml"), JSON.stringify(policy));
  writeFileSync(join(folder, "webhook.yaml"), JSON.stringify(config));
  const etcd = stack.use(await RealEtcd.start({ tls: true }));
  const flags = [
    `--audit-policy-file=${folder}/policy.yaml`,
    `--audit-webhook-config-file=${folder}/webhook.yaml`,
    "--audit-webhook-mode=blocking-strict",
  ];
  const server = stack.use(await RealApiServer.start(etcd, { flags }));
  const client = stack.use(new TestClient(server));
  const path = "/api/v1/namespaces/default/configmaps";
  const made = await client.post(path, { metadata: { name: "a" } }, { headers: { "audit-id": "one" } });
  assert.equal(made.code, 201);
  assert.deepEqual(
    stages.filter((stage) => stage.startsWith("one ")),
    ["one RequestReceived", "one ResponseComplete"],
  );
  code = 400;
  const refused = await client.post(path, { metadata: { name: "b" } });
  assert.deepEqual([refused.code, refused.body.message], [500, "Internal error occurred: failed to store audit event"]);
  assert.match((await client.get("/metrics")).text, /^apiserver_audit_requests_rejected_total 1$/m);
  code = 200;
  assert.equal((await client.get(`${path}/b`)).code, 404);
});

// Spans by their rules, and over a real server into a collector made with a gRPC library that is not ours.
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { closed } from "@skiff/testkit/closed.ts";
import { clientCertificate, RealApiServer } from "@skiff/testkit/real-api-server.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import { BackendPool } from "../proxy/backend.ts";
import { TestClient } from "../testing/test-client.ts";
import { startCollector } from "../testing/trace-collector.ts";
import { createTracing } from "./index.ts";
import { isSampled, parseTraceContext } from "./trace-context.ts";
import { parseTracingConfig } from "./tracing-config.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const PARENT = "b7ad6b7169203331";
const file = (endpoint: string, rate: number) =>
  `apiVersion: apiserver.config.k8s.io/v1\nkind: TracingConfiguration\nendpoint: ${endpoint}\nsamplingRatePerMillion: ${rate}\n`;

test("parseTraceContext reads well-formed headers only", () => {
  assert.deepEqual(parseTraceContext(`00-${TRACE}-${PARENT}-01`), { traceId: TRACE, spanId: PARENT, sampled: true });
  assert.equal(parseTraceContext(`00-${TRACE}-${PARENT}-00`)?.sampled, false);
  assert.equal(parseTraceContext(`42-${TRACE}-${PARENT}-01-more`)?.traceId, TRACE);
  const zero = "0".repeat(32);
  const bad = [undefined, "", `ff-${TRACE}-${PARENT}-01`, `00-${zero}-${PARENT}-01`, `00-${TRACE}-${PARENT}-01-x`];
  for (const header of bad) assert.equal(parseTraceContext(header), undefined);
});

test("isSampled takes the rate's share, by the trace's id alone", () => {
  assert.equal(isSampled(TRACE, 0), false);
  assert.equal(isSampled(TRACE, 1_000_000), true);
  // 8448eb21 is 0.51674 of the way.
  assert.deepEqual([isSampled(TRACE, 516_700), isSampled(TRACE, 516_800)], [false, true]);
});

test("parseTracingConfig has upstream's defaults and refuses what upstream refuses", () => {
  const head = "apiVersion: apiserver.config.k8s.io/v1beta1\nkind: TracingConfiguration\n";
  assert.deepEqual(parseTracingConfig(head), { endpoint: "localhost:4317", samplesPerMillion: 0 });
  assert.throws(() => parseTracingConfig(`${head}samplingRatePerMillion: -1`), /must be positive/);
  assert.throws(
    () => parseTracingConfig(`${head}samplingRatePerMillion: 1000001`),
    /less than or equal to one million/,
  );
  assert.throws(() => parseTracingConfig(`${head}endpoint: "http://x"`), /invalid endpoint/);
  assert.throws(() => parseTracingConfig(`${head}samplingRate: 1`), /unknown field "samplingRate"/);
  assert.throws(() => parseTracingConfig("kind: Policy\napiVersion: audit.k8s.io/v1"), /not a TracingConfiguration/);
});

test("a request's span is the caller's child, and holds the calls to etcd", { timeout: 60_000 }, async () => {
  await using collector = await startCollector();
  const folder = mkdtempSync(join(tmpdir(), "skiff-tracing-"));
  const path = join(folder, "tracing.yaml");
  writeFileSync(path, file(collector.address, 0));
  await using etcd = await RealEtcd.start({ tls: true });
  await using server = await RealApiServer.start(etcd, { flags: [`--tracing-config-file=${path}`] });
  rmSync(folder, { recursive: true });
  using admin = new TestClient(server);
  const traceparent = `00-${TRACE}-${PARENT}-01`;
  const body = { metadata: { name: "traced" } };
  const path1 = "/api/v1/namespaces/default/configmaps";
  assert.equal((await admin.post(path1, body, { headers: { traceparent } })).code, 201);
  // Neither an unsampled caller nor one who is nobody in particular is recorded at a rate of 0.
  await admin.get(path1, { headers: { traceparent: `00-${"1".repeat(32)}-${PARENT}-00` } });
  using stranger = new TestClient(server, await clientCertificate(server.pki, "jane"));
  await stranger.get("/version", { headers: { traceparent: `00-${"2".repeat(32)}-${PARENT}-01` } });
  // What waits is sent when the server stops.
  await server.stop();
  const spans = collector.spans;
  assert.deepEqual([...new Set(spans.map(({ traceId }) => traceId))], [TRACE]);
  const request = spans.find(({ kind }) => kind === 2);
  assert.equal(request?.name, "POST /api/v1/namespaces/{:namespace}/configmaps");
  assert.equal(request?.parentSpanId, PARENT);
  assert.deepEqual(
    ["http.request.method", "url.path", "http.response.status_code"].map((key) => request?.attributes[key]),
    ["POST", path1, 201],
  );
  assert.ok(request && request.startMs <= request.endMs && Math.abs(request.endMs - realClock.now()) < 60_000);
  const write = spans.find(({ name }) => name === "etcdserverpb.KV/Txn");
  assert.deepEqual([write?.kind, write?.parentSpanId], [3, request?.spanId]);
  assert.ok(write && write.startMs >= request.startMs && write.endMs <= request.endMs);
  assert.equal(collector.resource["service.name"], "apiserver");
});

test("a call to another server is a child that the server's own spans join, and says what was answered", async (t) => {
  await using collector = await startCollector();
  const heard: (string | undefined)[] = [];
  const kubelet = createHttpServer((request, response) => {
    heard.push(String(request.headers.traceparent));
    response.writeHead(request.url?.startsWith("/missing") ? 404 : 200).end("lines");
  }).listen(0, "127.0.0.1");
  await once(kubelet, "listening");
  t.after(() => kubelet.close());
  const { port } = kubelet.address() as AddressInfo;
  const deps = { clock: realClock, log: silentLogger(), metrics: new MetricsRegistry() };
  {
    await using tracing = createTracing(file(collector.address, 0), deps);
    using pool = new BackendPool({ cert: "", key: "", ca: "" }, tracing.tracer);
    const call = async (path: string, port: number, sampled: "00" | "01") =>
      await tracing.tracer.request(`00-${TRACE}-${PARENT}-${sampled}`, async (span) => {
        span.decide({ name: "admin", groups: ["system:masters"], extra: {} });
        const target = { protocol: "http", host: "127.0.0.1", port, path, trust: "any" } as const;
        const { signal } = new AbortController();
        const answer = await pool.send(target, { method: "GET", headers: { traceparent: ["theirs"] }, signal });
        const ended = closed(answer.response);
        await text(answer.response);
        await ended;
        span.end(200, () => ({ name: "GET", attributes: {} }));
      });
    await call("/containerLogs/ns/pod/c?token=secret", port, "01");
    await call("/missing", port, "01");
    await call("/unrecorded", port, "00");
    await assert.rejects(call("/nobody", 1, "01"));
  }
  const calls = collector.spans.filter(({ kind }) => kind === 3);
  assert.deepEqual(
    calls.map(({ name, statusCode, attributes }) => [name, statusCode, attributes["http.response.status_code"]]).sort(),
    [
      ["HTTP GET", 0, 200],
      ["HTTP GET", 2, 404],
      ["HTTP GET", 2, undefined],
    ].sort(),
  );
  const log = calls.find(({ statusCode }) => statusCode === 0);
  assert.equal(log?.attributes["url.full"], `http://127.0.0.1:${port}/containerLogs/ns/pod/c`);
  assert.equal(heard[0], `00-${TRACE}-${log?.spanId}-01`);
  assert.match(heard[2] ?? "", new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`));
  assert.ok(collector.spans.some(({ kind, spanId }) => kind === 2 && spanId === log?.parentSpanId));
});

test("a span of somebody without rights is a root of its own, linked to the caller's", async () => {
  await using collector = await startCollector();
  const deps = { clock: realClock, log: silentLogger(), metrics: new MetricsRegistry() };
  {
    await using tracing = createTracing(file(collector.address, 1_000_000), deps);
    tracing.tracer.request(`00-${TRACE}-${PARENT}-00`, (span) => {
      span.decide({ name: "jane", groups: ["system:authenticated"], extra: {} });
      span.end(500, () => ({ name: "GET", attributes: {} }));
    });
  }
  const [span] = collector.spans;
  assert.ok(span && span.traceId !== TRACE);
  assert.deepEqual([span.parentSpanId, span.links, span.statusCode], ["", [{ traceId: TRACE, spanId: PARENT }], 2]);
});

test("a collector that takes nothing costs spans, which are counted, and no time", async () => {
  // A port where somebody hangs up on everybody.
  const rude = createServer((socket) => socket.destroy()).listen(0, "127.0.0.1");
  await once(rude, "listening");
  const address = rude.address();
  assert.ok(address && typeof address === "object");
  const metrics = new MetricsRegistry();
  const deps = { clock: realClock, log: silentLogger(), metrics };
  const tracing = createTracing(file(`127.0.0.1:${address.port}`, 1_000_000), deps);
  for (let i = 0; i < 5000; i++) {
    tracing.tracer.request(undefined, (span) => span.end(200, () => ({ name: "GET", attributes: {} })));
  }
  // 512 of them are on their way, 2048 wait.
  const lost = () => Number(/apiserver_tracing_lost_spans_total\{reason="full"\} (\d+)/.exec(metrics.render())?.[1]);
  assert.equal(lost(), 5000 - 512 - 2048);
  rude.close();
  const closing = tracing[Symbol.asyncDispose]();
  await waitFor("the others to be counted", () => metrics.render().includes('reason="export"'), { timeoutMs: 60_000 });
  await closing;
});

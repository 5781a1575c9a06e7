// Requests over real sockets: paths, errors, retries, credentials.
import assert from "node:assert/strict";
import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { nodes, pods } from "@skiff/api/resource-ref.ts";
import type { Pod } from "@skiff/api/types.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { withTrace } from "@skiff/component-base/trace.ts";
import { FakeClock } from "@skiff/testkit/fake-clock.ts";
import { testAuthority } from "@skiff/testkit/test-authority.ts";
import { waitFor } from "@skiff/testkit/wait-for.ts";
import type { ClientConfig } from "./config.ts";
import { wasIdle } from "./connection-error.ts";
import { ConnectionError, RestClient } from "./rest-client.ts";
import { answerJson, fakeServer } from "./testing/fake-server.ts";
import { settle } from "./testing/settle.ts";

const signal = new AbortController().signal;
const pod: Pod = {
  metadata: { name: "web", namespace: "a", uid: "u", resourceVersion: "5", creationTimestamp: "" },
  spec: { containers: [] },
};

function clientOf(config: ClientConfig, clock = realClock, metrics?: MetricsRegistry) {
  return new RestClient(
    config,
    { userAgent: "test/1" },
    { clock, log: silentLogger(), ...(metrics ? { metrics } : {}) },
  );
}

test("resource client sends each verb to its path with its query, type and names", async () => {
  await using server = await fakeServer((_request, response) => answerJson(response, 200, { items: [] }));
  await using client = clientOf({ server: server.url, token: "t0p" });
  const api = client.of(pods);
  await withTrace("0af7651916cd43dd8448eb211c80319c", () => api.get("a", "web", { signal }));
  await api.list({ labelSelector: "app=web", limit: 5 }, { signal });
  await api.create("a", pod, { signal });
  await api.updateStatus(pod, { signal });
  await api.patch("a", "web", "strategic", { x: 1 }, { signal, subresource: "status" });
  await api.delete("a", "web", { gracePeriodSeconds: 0, uid: "u" }, { signal });
  await api.createSubresource("a", "web", "binding", { target: {} }, { signal });
  await client.of(nodes).get("", "n1", { signal });
  assert.deepEqual(
    server.requests.map(({ method, url }) => `${method} ${url.pathname}${url.search}`),
    [
      "GET /api/v1/namespaces/a/pods/web",
      "GET /api/v1/pods?labelSelector=app%3Dweb&limit=5",
      "POST /api/v1/namespaces/a/pods",
      "PUT /api/v1/namespaces/a/pods/web/status",
      "PATCH /api/v1/namespaces/a/pods/web/status",
      "DELETE /api/v1/namespaces/a/pods/web",
      "POST /api/v1/namespaces/a/pods/web/binding",
      "GET /api/v1/nodes/n1",
    ],
  );
  const [get, , create, , patch, remove] = server.requests;
  assert.equal(get?.headers.authorization, "Bearer t0p");
  assert.match(String(get?.headers.traceparent), /^00-0af7651916cd43dd8448eb211c80319c-/);
  assert.equal(JSON.parse(create?.body ?? "").kind, "Pod");
  assert.equal(patch?.headers["content-type"], "application/strategic-merge-patch+json");
  assert.deepEqual(JSON.parse(remove?.body ?? "").preconditions, { uid: "u" });
});

test("rest client throws the ApiError of a Status, and one by code for any other text", async () => {
  const status = { kind: "Status", code: 404, reason: "NotFound", message: 'pods "web" not found' };
  await using server = await fakeServer((request, response) => {
    if (request.url.pathname.endsWith("pods")) response.writeHead(502).end("bad gateway");
    else answerJson(response, 404, status);
  });
  await using client = clientOf({ server: server.url });
  await assert.rejects(client.of(pods).get("a", "web", { signal }), {
    name: "ApiError",
    reason: "NotFound",
    code: 404,
  });
  await assert.rejects(client.of(pods).list({}, { signal }), { name: "ApiError", code: 502, message: "bad gateway" });
});

test("rest client obeys Retry-After and gives up after ten retries", async () => {
  const clock = new FakeClock();
  await using server = await fakeServer((_request, response) =>
    answerJson(response, 429, { kind: "Status", code: 429, reason: "TooManyRequests" }, { "retry-after": "1" }),
  );
  await using client = clientOf({ server: server.url }, clock);
  const failed = assert.rejects(client.of(pods).create("a", pod, { signal, timeoutMs: 100_000 }), { code: 429 });
  for (let i = 1; i <= 11; i++) {
    await waitFor(`request ${i} has come`, () => server.requests.length === i);
    await settle();
    await realClock.sleep(10);
    if (i <= 10) await clock.advance(1000);
  }
  await failed;
});

test("rest client repeats a read, and only a read, on a connection reset under it", async () => {
  await using server = await fakeServer((_request, response, index) => {
    if (index % 2 === 0) answerJson(response, 200, {});
    else response.socket?.resetAndDestroy();
  });
  await using client = clientOf({ server: server.url });
  await client.of(pods).get("a", "1", { signal });
  await client.of(pods).get("a", "2", { signal });
  assert.equal(server.requests.length, 3);
  await assert.rejects(client.of(pods).create("a", pod, { signal }), ConnectionError);
  assert.equal(server.requests.length, 4);
});

test("rest client names a refused connection, a timeout and the caller's own abort", async () => {
  const server = await fakeServer(() => {});
  await using client = clientOf({ server: server.url });
  await assert.rejects(client.of(pods).get("a", "x", { signal, timeoutMs: 30 }), {
    name: "ConnectionError",
    code: "ETIMEDOUT",
  });
  const stop = new AbortController();
  const aborted = client.of(pods).get("a", "x", { signal: stop.signal });
  await waitFor("both requests have come", () => server.requests.length === 2);
  stop.abort(new Error("enough"));
  await assert.rejects(aborted, /enough/);
  await server[Symbol.asyncDispose]();
  await assert.rejects(client.of(pods).get("a", "x", { signal }), { name: "ConnectionError", code: "ECONNREFUSED" });
});

test("watches leave all connections to requests, and end when their reader stops", async () => {
  let open = 0;
  let opened = 0;
  await using server = await fakeServer((request, response) => {
    if (!request.url.searchParams.has("watch")) return answerJson(response, 200, {});
    open++;
    opened++;
    response.on("close", () => open--);
    response.writeHead(200, { "content-type": "application/json" });
    response.write(`${JSON.stringify({ type: "ADDED", object: pod })}\n`);
  });
  await using client = new RestClient(
    { server: server.url },
    { userAgent: "t", connections: 1 },
    { clock: realClock, log: silentLogger() },
  );
  const readers = Array.from({ length: 8 }, async () => {
    for await (const _event of client.of(pods).watch({ resourceVersion: "1" }, { signal })) {
      await waitFor("all watches are open", () => opened === 8);
      await client.of(pods).get("a", "x", { signal });
      break;
    }
  });
  await Promise.all(readers);
  await waitFor("all watches are closed", () => open === 0);
});

test("a stream that says nothing for too long ends as idle, not as a failure of the server", async () => {
  await using server = await fakeServer((_request, response) => void response.writeHead(200).flushHeaders());
  await using client = clientOf({ server: server.url });
  const { chunks } = await client.stream({ method: "GET", path: "/x", signal, idleTimeoutMs: 100 });
  const read = async () => {
    for await (const _chunk of chunks);
  };
  await assert.rejects(read, wasIdle);
});

test("rest client reads a token file again when it has changed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "skiff-token-"));
  const path = join(folder, "token");
  const clock = new FakeClock();
  await using server = await fakeServer((_request, response) => answerJson(response, 200, {}));
  await using client = clientOf({ server: server.url, tokenFile: path }, clock);
  await writeFile(path, "one\n");
  await client.of(pods).get("a", "x", { signal });
  await writeFile(path, "two\n");
  await utimes(path, 1, 1);
  await client.of(pods).get("a", "x", { signal });
  await clock.advance(10_000);
  await client.of(pods).get("a", "x", { signal });
  assert.deepEqual(
    server.requests.map((request) => request.headers.authorization),
    ["Bearer one", "Bearer one", "Bearer two"],
  );
  await rm(folder, { recursive: true });
});

test("rest client counts requests by code", async () => {
  const metrics = new MetricsRegistry();
  await using server = await fakeServer((_request, response) => answerJson(response, 200, {}));
  await using client = clientOf({ server: server.url }, realClock, metrics);
  await client.of(pods).get("a", "x", { signal });
  assert.match(metrics.render(), /rest_client_requests_total\{code="200",host="127.0.0.1:\d+",method="GET"\} 1/);
});

test("useCertificate is shown from the next request on; watches are cut and requests under way end well", async () => {
  const ca = await testAuthority("ca");
  const [server, one, two] = await Promise.all([
    ca.sign({ commonName: "server", addresses: ["127.0.0.1"], usages: ["server"] }),
    ca.sign({ commonName: "one", usages: ["client"] }),
    ca.sign({ commonName: "two", usages: ["client"] }),
  ]);
  const held = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  const watching = Promise.withResolvers<void>();
  const tls = { ...server, ca: ca.cert, requestCert: true, rejectUnauthorized: true };
  const https = createServer(tls, async (request, response) => {
    const user = (request.socket as TLSSocket).getPeerCertificate().subject.CN;
    if (request.url?.includes("watch=true")) {
      response.writeHead(200, { "content-type": "application/json" }).flushHeaders();
      watching.resolve();
      return;
    }
    if (request.url?.includes("slow")) {
      arrived.resolve();
      await held.promise;
    }
    answerJson(response, 200, { user });
  });
  await new Promise<void>((resolve) => https.listen(0, "127.0.0.1", resolve));
  await using _https = {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => https.close(resolve));
      https.closeAllConnections();
      await closed;
    },
  };
  const { port } = https.address() as AddressInfo;
  await using client = clientOf({ server: `https://127.0.0.1:${port}`, ca: ca.cert, ...one });
  const ask = async (path: string) =>
    ((await client.request({ method: "GET", path, signal })).body as { user: string }).user;
  assert.equal(await ask("/a"), "one");
  const watch = client.of(nodes).watch({ resourceVersion: "" }, { signal });
  const cut = assert.rejects(watch.next(), ConnectionError);
  const slow = ask("/slow");
  await Promise.all([arrived.promise, watching.promise]);
  client.useCertificate(two.cert, two.key);
  assert.equal(await ask("/a"), "two");
  await cut;
  held.resolve();
  assert.equal(await slow, "one");
});

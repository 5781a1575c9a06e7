// What probes, scrapers and strangers get from a program's port.
import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { test } from "node:test";
import { pino } from "pino";
import { serveHealth } from "./health-server.ts";
import { silentLogger } from "./logger.ts";
import { MetricsRegistry } from "./metrics.ts";

const good = { name: "ping", check() {} };
const bad = {
  name: "etcd",
  check() {
    throw new Error("connection refused");
  },
};

test("health server withholds the reason of a failed check from the caller and tells it to the log", async () => {
  const logged: string[] = [];
  const log = pino({}, { write: (line: string) => logged.push(line) });
  const port = await freePort();
  await using _server = await serveHealth({ host: "127.0.0.1", port, checks: [good, bad] }, { log });
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
  assert.equal(answer.status, 500);
  assert.equal(await answer.text(), "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n");
  assert.match(logged.join(""), /"check":"etcd".*connection refused/);
  assert.equal(await (await fetch(`http://127.0.0.1:${port}/healthz/ping`)).text(), "ok");
  assert.equal((await fetch(`http://127.0.0.1:${port}/healthz/nope`)).status, 404);
});

test("health server lets everybody ask for health and asks about the rest", async () => {
  const port = await freePort();
  const options = {
    host: "127.0.0.1",
    port,
    checks: [good],
    metrics: new MetricsRegistry(),
    authorize: async () => 403,
  };
  await using _server = await serveHealth(options, { log: silentLogger() });
  assert.equal((await fetch(`http://127.0.0.1:${port}/livez?verbose`)).status, 200);
  assert.equal((await fetch(`http://127.0.0.1:${port}/metrics`)).status, 403);
});

test("health server refuses what is no path without a word in the log", async () => {
  const logged: string[] = [];
  const log = pino({}, { write: (line: string) => logged.push(line) });
  const port = await freePort();
  await using _server = await serveHealth({ host: "127.0.0.1", port, checks: [good] }, { log });
  for (const path of ["//", "http://[::bad/", "//[/healthz"]) {
    const client = connect(port, "127.0.0.1");
    client.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    const [answer] = await once(client, "data");
    assert.match(String(answer), /^HTTP\/1.1 400 /, path);
    client.destroy();
  }
  assert.deepEqual(logged, []);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

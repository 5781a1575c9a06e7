// The forwarder between the host's loopback and the apiserver.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { silentLogger } from "@skiff/component-base/logger.ts";
import { forwardTcp, parseEndpoint } from "./forward.ts";

test("forwardTcp lets the answer finish after the caller has ended its half", async () => {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.setEncoding("utf8").on("data", () => {});
    socket.on("end", () => socket.end("late answer"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const own = (probe.address() as AddressInfo).port;
  await new Promise((resolve) => probe.close(resolve));
  const stop = new AbortController();
  const done = forwardTcp({ host: "127.0.0.1", port: own }, { host: "127.0.0.1", port }, stop.signal, silentLogger());
  await new Promise((resolve) => setImmediate(resolve));
  const client = connect({ port: own, host: "127.0.0.1", allowHalfOpen: true }).setEncoding("utf8");
  client.end("question");
  assert.deepEqual(await once(client, "data"), ["late answer"]);
  stop.abort();
  await done;
  server.close();
});

test("parseEndpoint wants a host and a port", () => {
  assert.deepEqual(parseEndpoint("127.0.0.1:6443"), { host: "127.0.0.1", port: 6443 });
  for (const text of ["6443", ":6443", "a:0", "a:x"]) assert.throws(() => parseEndpoint(text), /HOST:PORT/);
});

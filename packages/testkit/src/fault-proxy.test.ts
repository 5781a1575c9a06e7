// What the fault proxy does to a connection that passes through it.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { FaultProxy } from "./fault-proxy.ts";

async function echoServer() {
  const server = createServer((socket) => socket.on("error", () => {}).pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, [Symbol.dispose]: () => void server.close() };
}

// Not once(), which would reject for the reset that the proxy is asked to cause.
function closeOf(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}

test("fault proxy passes bytes, holds them while stalled, and cuts", async () => {
  using echo = await echoServer();
  await using proxy = await FaultProxy.start({ host: "127.0.0.1", port: echo.port });
  const socket = connect(proxy.port, "127.0.0.1").setEncoding("utf8");
  socket.on("error", () => {});
  socket.write("one");
  assert.deepEqual(await once(socket, "data"), ["one"]);
  proxy.stall();
  socket.write("two");
  let isEarly = true;
  const answer = once(socket, "data").then(([text]) => ({ text, isEarly }));
  await new Promise((resolve) => setImmediate(resolve));
  isEarly = false;
  proxy.resume();
  assert.deepEqual(await answer, { text: "two", isEarly: false });
  const closed = closeOf(socket);
  proxy.cut();
  await closed;
});

test("fault proxy refuses connections when asked to", async () => {
  using echo = await echoServer();
  await using proxy = await FaultProxy.start({ host: "127.0.0.1", port: echo.port });
  proxy.refuse(true);
  const socket = connect(proxy.port, "127.0.0.1");
  socket.on("error", () => {});
  await closeOf(socket);
  assert.equal(socket.bytesRead, 0);
});

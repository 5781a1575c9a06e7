// Live bodies over real HTTP/1.1 connections: the same bytes as Node's own chunks, in order, at the pace of the reader.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { test } from "node:test";
import { canSendLiveBody, sendLiveBody } from "./live-body.ts";

async function serve(body: () => Readable) {
  const outcomes: Promise<void>[] = [];
  const server = createServer((_request, response) => {
    response.writeHead(200);
    response.flushHeaders();
    assert.ok(canSendLiveBody(response as ServerResponse));
    const sent = sendLiveBody(body(), response as ServerResponse);
    sent.catch(() => {});
    outcomes.push(sent);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { port, outcomes, [Symbol.dispose]: stop };
}

async function get(port: number) {
  const outgoing = request({ host: "127.0.0.1", port });
  outgoing.end();
  const [answer] = await once(outgoing, "response");
  return { outgoing, answer };
}

test("a live body arrives whole, however much its reader lags", async () => {
  const chunks = Array.from({ length: 200 }, (_, i) => Buffer.alloc(1 + ((i * 7919) % 90_000), i));
  using server = await serve(() => Readable.from(chunks, { objectMode: false }));
  const { answer } = await get(server.port);
  answer.pause();
  await new Promise((resolve) => setImmediate(resolve));
  assert.ok((await buffer(answer)).equals(Buffer.concat(chunks)));
  await server.outcomes[0];
});

test("a live body ends with an error when its reader goes away, and when what it is made of breaks", async () => {
  using server = await serve(() => new Readable({ read: () => {} }));
  const { outgoing } = await get(server.port);
  outgoing.destroy();
  await assert.rejects(server.outcomes[0] ?? Promise.resolve(), /closed/);
  const broken = new Readable({ read: () => {} });
  using second = await serve(() => broken);
  const { answer } = await get(second.port);
  broken.destroy(new Error("gone"));
  await assert.rejects(second.outcomes[0] ?? Promise.resolve(), /gone/);
  await assert.rejects(buffer(answer));
});

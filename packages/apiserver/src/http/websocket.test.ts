// WebSocket frames, byte for byte.
import assert from "node:assert/strict";
import type { IncomingMessage } from "node:http";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import {
  acceptWebSocket,
  BYTE_PROTOCOLS,
  readWebSocket,
  webSocketBytes,
  webSocketFrame,
  webSocketLines,
} from "./websocket.ts";

test("webSocketFrame writes each of the three length forms", () => {
  assert.equal(webSocketFrame(1, Buffer.from("Hello")).toString("hex"), "810548656c6c6f");
  assert.equal(webSocketFrame(1, Buffer.alloc(200)).subarray(0, 4).toString("hex"), "817e00c8");
  assert.equal(webSocketFrame(1, Buffer.alloc(70_000)).subarray(0, 10).toString("hex"), "817f0000000000011170");
});

test("webSocketLines makes a message of every line and a close of the end", async () => {
  const lines = webSocketLines();
  lines.end("a\nbc\n");
  const frames = await lines.map((frame: Buffer) => frame.toString("latin1")).toArray();
  assert.deepEqual(frames, ["\x81\x02a\n", "\x81\x03bc\n", "\x88\x02\x03\xe8"]);
});

test("webSocketBytes opens with an empty message, then sends bytes or their base64 as the client asked", async () => {
  for (const [protocol, frames] of [
    ["binary.k8s.io", ["\x82\x00", "\x82\x02a\n", "\x88\x02\x03\xe8"]],
    ["base64.binary.k8s.io", ["\x81\x00", "\x81\x04YQo=", "\x88\x02\x03\xe8"]],
  ] as const) {
    const bytes = webSocketBytes(protocol);
    bytes.end("a\n");
    assert.deepEqual(await bytes.map((frame: Buffer) => frame.toString("latin1")).toArray(), frames);
  }
});

test("acceptWebSocket agrees on the first subprotocol that means something, and refuses where none does", () => {
  const ask = (offered: string | undefined) => {
    const headers = {
      upgrade: "websocket",
      "sec-websocket-version": "13",
      "sec-websocket-key": Buffer.alloc(16).toString("base64"),
      ...(offered === undefined ? {} : { "sec-websocket-protocol": offered }),
    };
    return acceptWebSocket({ headers } as unknown as IncomingMessage, new PassThrough(), BYTE_PROTOCOLS);
  };
  assert.equal(ask("base64url.bearer.authorization.k8s.io.eHg, x, base64.binary.k8s.io"), "base64.binary.k8s.io");
  assert.equal(ask(undefined), undefined);
  assert.throws(() => ask("v4.channel.k8s.io"), { code: 400 });
});

test("readWebSocket answers a ping whole, however it is cut, and closes on a close and on nonsense", async () => {
  const ping = Buffer.from("898537fa213d7f9f4d5158", "hex");
  for (const [bytes, answer] of [
    [Buffer.from("8880000000 00".replace(" ", ""), "hex"), "880203e8"],
    [Buffer.from("0102", "hex"), "880203ea"],
  ] as const) {
    const { socket, sent, closed } = connect(ping.subarray(0, 3));
    socket.emit("data", ping.subarray(3));
    assert.equal(sent.toString("hex"), "8a0548656c6c6f");
    socket.emit("data", bytes);
    assert.equal(sent.toString("hex").slice(14), answer);
    assert.equal(closed.times, 1);
  }
});

/** A socket that keeps what is written to it. */
function connect(head: Buffer) {
  const socket = new PassThrough();
  const closed = { times: 0 };
  const sent = { bytes: Buffer.alloc(0), toString: (encoding: BufferEncoding) => sent.bytes.toString(encoding) };
  const keep = (chunk: Buffer) => {
    sent.bytes = Buffer.concat([sent.bytes, chunk]);
    return true;
  };
  Object.assign(socket, { write: keep, end: keep });
  readWebSocket(socket, head, () => {
    closed.times += 1;
  });
  return { socket, sent, closed };
}

// What a client sends that dialled a path, byte by byte, and over a real socket.
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:http2";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Server } from "@grpc/grpc-js";
import { AuthorityMender } from "./authority-mender.ts";
import { serveUnixSocket } from "./serve-unix-socket.ts";

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

function frame(type: number, payload: Buffer, flags = 4): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  return Buffer.concat([head, payload]);
}

/** A literal with incremental indexing; the value as given, Huffman-coded or not. */
function literal(index: number, value: Buffer, huffman: boolean): Buffer {
  return Buffer.concat([Buffer.from([0x40 | index, (huffman ? 0x80 : 0) | value.length]), value]);
}

const feedAll = (chunks: readonly Buffer[]) => {
  const mender = new AuthorityMender();
  return Buffer.concat(chunks.map((chunk) => mender.feed(chunk)));
};

test("AuthorityMender changes slashes of a plain authority alone, however the bytes come", () => {
  const path = literal(4, Buffer.from("/a/b"), false);
  const named = Buffer.concat([Buffer.from([0x00, 1]), Buffer.from("x"), Buffer.from([3]), Buffer.from("/x/")]);
  const headers = (authority: string) =>
    frame(1, Buffer.concat([Buffer.from([0x83]), path, literal(1, Buffer.from(authority), false), named]));
  const data = frame(0, Buffer.from("/d/"), 1);
  const sent = Buffer.concat([PREFACE, frame(4, Buffer.alloc(0), 0), headers("/run/k.sock"), data]);
  const wanted = Buffer.concat([PREFACE, frame(4, Buffer.alloc(0), 0), headers("-run-k.sock"), data]);
  assert.deepEqual(feedAll([sent]), wanted);
  assert.deepEqual(feedAll([...sent].map((byte) => Buffer.from([byte]))), wanted);
});

test("AuthorityMender changes slashes in the Huffman code, with padding and priority", () => {
  // "/a-Z" and "-a-Z": 011000 00011 010110 11111101, 010110 00011 010110 11111101, padded with ones.
  const coded = (slash: string) => {
    const bits = `${slash}0001101011011111101`.padEnd(32, "1");
    return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
  };
  const headers = (slash: string) => {
    const block = literal(1, coded(slash), true);
    return frame(1, Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 9]), block, Buffer.alloc(2)]), 4 | 8 | 32);
  };
  assert.deepEqual(
    feedAll([PREFACE, headers("011000"), headers("010110")]),
    Buffer.concat([PREFACE, headers("010110"), headers("010110")]),
  );
});

test("a client that names the socket's path as authority is answered", { timeout: 20_000 }, async () => {
  const dir = await mkdtemp(join(tmpdir(), "serve-unix-socket-"));
  const socket = join(dir, "device-plugins", "kubelet.sock");
  try {
    await using _served = await serveUnixSocket(socket, async () => new Server());
    const session = connect("http://localhost", { createConnection: () => createConnection(socket) });
    // Twice: the second is sent as an entry of the table of compression.
    for (const path of ["/none.Service/One", "/none.Service/Two"]) {
      const request = session.request({
        ":method": "POST",
        ":path": path,
        ":authority": socket,
        "content-type": "application/grpc",
        te: "trailers",
      });
      const status = await new Promise((resolve, reject) => {
        request.on("response", (headers) => resolve(headers["grpc-status"]));
        request.on("error", reject);
        request.end();
      });
      // 12 is UNIMPLEMENTED: the request reached gRPC.
      assert.equal(Number(status), 12);
    }
    session.destroy();
  } finally {
    await rm(dir, { recursive: true });
  }
});

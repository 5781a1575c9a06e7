// Calls over our own HTTP/2 to a real etcd with TLS: bodies beyond every window, and etcd's own errors.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { realClock } from "@skiff/component-base/clock.ts";
import { GrpcChannel } from "@skiff/grpc/grpc-channel.ts";
import { RealEtcd } from "@skiff/testkit/real-etcd.ts";
import { decodeHeader, decodeRange, encodeCompaction, encodePut, encodeRange } from "./messages.ts";

const MEGABYTE = 1024 * 1024;
const TIMEOUT_MS = 30_000;

test("a real etcd takes many large values at once, gives them back in one answer, and says what it refuses", async () => {
  await using etcd = await RealEtcd.start({ tls: true });
  const files = etcd.tls ?? assert.fail("etcd was started without TLS");
  const text = (file: string) => readFileSync(file, "utf8");
  const tls = { ca: text(files.ca), cert: text(files.cert), key: text(files.key) };
  using channel = new GrpcChannel({ servers: [etcd.endpoint], name: "etcd", tls }, { clock: realClock });
  const call = (method: string, message: Buffer) => channel.unary(`/etcdserverpb.KV/${method}`, message, TIMEOUT_MS);
  const keys = Array.from({ length: 10 }, (_, k) => Buffer.from(`key-${String(k).padStart(2, "0")}`));
  const bytesOf = (k: number) => Buffer.alloc(MEGABYTE, k + 1);
  const puts = await Promise.all(keys.map((key, k) => call("Put", encodePut(key, bytesOf(k)))));
  const newest = Math.max(...puts.map((answer) => decodeHeader(answer).revision));
  const everything = encodeRange({ key: Buffer.from("key-"), rangeEnd: Buffer.from("key.") });
  // Two at once, so that long answers share the connection.
  for (const answer of await Promise.all([call("Range", everything), call("Range", everything)])) {
    const { kvs, revision } = decodeRange(answer);
    assert.equal(revision, newest);
    assert.deepEqual(
      kvs.map(({ key }) => key.toString()),
      keys.map(String),
    );
    for (const [k, { value }] of kvs.entries()) assert.ok(value.equals(bytesOf(k)), `value ${k}`);
  }
  const [key = Buffer.alloc(0)] = keys;
  const putOf = (megabytes: number) => call("Put", encodePut(key, Buffer.alloc(megabytes * MEGABYTE)));
  await assert.rejects(putOf(1.75), { code: 3, message: /request is too large/ });
  // The second limit is gRPC's own, which refuses before the whole body has come.
  await assert.rejects(putOf(3), { code: 8, message: /larger than max/ });
  await call("Compact", encodeCompaction(newest));
  const lost = call("Range", encodeRange({ key, revision: newest - 1 }));
  await assert.rejects(lost, { code: 11, message: /required revision has been compacted/ });
  assert.equal(decodeRange(await call("Range", encodeRange({ key, countOnly: true }))).count, 1);
});

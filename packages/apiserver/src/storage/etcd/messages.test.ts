// etcd's messages on the wire.
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeLease, decodeRange, decodeWatch, encodeLeaseId, encodeRange } from "./messages.ts";
import { WireWriter } from "./wire-writer.ts";

test("encodeRange writes revisions beyond 32 bits and leaves zeros out", () => {
  const key = Buffer.from("k");
  assert.equal(encodeRange({ key, revision: 2 ** 40 }).toString("hex"), "0a016b20808080808020");
  assert.equal(encodeRange({ key, limit: 0 }).toString("hex"), "0a016b");
});

test("lease ids survive the round trip beyond 2^53", () => {
  const id = "7587881234567890123";
  const answer = new WireWriter().number(2, BigInt(id)).number(3, 60).finish();
  assert.deepEqual(decodeLease(answer), { id, ttlSeconds: 60 });
  assert.equal(encodeLeaseId(id).length, 10);
});

test("decodeRange skips fields it does not know and refuses cut messages", () => {
  const kv = new WireWriter().bytes(1, Buffer.from("a")).number(2, 5).number(3, 7).bytes(5, Buffer.from("v")).finish();
  const bytes = new WireWriter().message(2, kv).number(4, 1).number(99, 3).finish();
  const { kvs, count } = decodeRange(bytes);
  assert.deepEqual([kvs[0]?.key.toString(), kvs[0]?.value.toString(), kvs[0]?.modRevision, count], ["a", "v", 7, 1]);
  assert.throws(() => decodeRange(bytes.subarray(0, 6)), RangeError);
});

test("decodeWatch tells deletions and fragments", () => {
  const kv = new WireWriter().bytes(1, Buffer.from("a")).number(3, 7).finish();
  const event = new WireWriter().number(1, 1).message(2, kv).finish();
  const { events, fragment } = decodeWatch(new WireWriter().flag(7, true).message(11, event).finish());
  assert.deepEqual([events[0]?.type, events[0]?.kv.modRevision, fragment], ["delete", 7, true]);
});

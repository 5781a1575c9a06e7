// etcd's requests and answers (etcdserverpb), as far as the apiserver uses them. Field numbers are those of etcd's rpc.proto.
import { WireMessage } from "./wire-message.ts";
import { WireWriter } from "./wire-writer.ts";

/** A key as etcd keeps it. The revision is that of its last change, which is the object's resourceVersion. */
export interface KeyValue {
  /** Both are views of the received message: copy what is kept. */
  readonly key: Buffer;
  readonly value: Buffer;
  readonly modRevision: number;
}

/** A single key without `rangeEnd`; the newest revision without `revision`. */
export interface RangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd?: Uint8Array;
  readonly limit?: number;
  readonly revision?: number;
  readonly countOnly?: boolean;
}

/** Which cluster answers, and at which revision it is. */
export interface ResponseHeader {
  readonly clusterId: string;
  readonly revision: number;
}

/** `count` is of the whole range, whatever the limit. */
export interface RangeResponse extends ResponseHeader {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: number;
}

/** Writes or deletes one key if its mod_revision is still the expected one (0: it must not exist). */
export interface SwapRequest {
  readonly key: Uint8Array;
  readonly expectedRevision: number;
  /** Undefined deletes. */
  readonly value: Uint8Array | undefined;
  /** Decimal text, as grantLease gave it. */
  readonly lease?: string | undefined;
  /** Reads the key when the comparison fails. */
  readonly readOnFailure: boolean;
}

/** Whether the comparison held. */
export interface SwapResponse extends ResponseHeader {
  readonly succeeded: boolean;
  /** What is there instead, when it was asked for. */
  readonly current: KeyValue | undefined;
}

/** A deletion has a key and no value. */
export interface WatchEvent {
  readonly type: "put" | "delete";
  readonly kv: KeyValue;
}

/** Mostly events; or that the watch was taken or is over. A fragment is followed by the rest of its revision. */
export interface WatchResponse extends ResponseHeader {
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: number;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly WatchEvent[];
}

/** RangeRequest. */
export function encodeRange(request: RangeRequest): Buffer {
  return rangeMessage(request).finish();
}

function rangeMessage(request: RangeRequest): WireWriter {
  return new WireWriter()
    .bytes(1, request.key)
    .bytes(2, request.rangeEnd)
    .number(3, request.limit)
    .number(4, request.revision)
    .flag(9, request.countOnly);
}

/** RangeResponse. */
export function decodeRange(bytes: Buffer): RangeResponse {
  return readRange(new WireMessage(bytes));
}

/** PutRequest; the lease is decimal text. */
export function encodePut(key: Uint8Array, value: Uint8Array, lease?: string): Buffer {
  return putMessage(key, value, lease).finish();
}

function putMessage(key: Uint8Array, value: Uint8Array, lease: string | undefined): WireWriter {
  return new WireWriter()
    .bytes(1, key)
    .bytes(2, value)
    .number(3, lease ? BigInt(lease) : 0);
}

/** A transaction of one comparison (`mod_revision` equals) and one operation each way. */
export function encodeSwap(request: SwapRequest): Buffer {
  const { key, value, expectedRevision } = request;
  const operation = value
    ? new WireWriter().message(2, putMessage(key, value, request.lease))
    : new WireWriter().message(3, new WireWriter().bytes(1, key));
  const txn = new WireWriter().message(1, comparison(key, expectedRevision)).message(2, operation);
  if (request.readOnFailure) txn.message(3, new WireWriter().message(1, rangeMessage({ key })));
  return txn.finish();
}

/** TxnResponse of such a transaction. */
export function decodeSwap(bytes: Buffer): SwapResponse {
  const message = new WireMessage(bytes);
  let header = NO_HEADER;
  let succeeded = false;
  let current: KeyValue | undefined;
  for (let field = message.next(); field; field = message.next()) {
    if (field === 1) header = readHeader(message.message());
    else if (field === 2) succeeded = message.flag();
    else if (field === 3) current = readOperation(message.message()) ?? current;
    else message.skip();
  }
  return { ...header, succeeded, current };
}

/** The revision of any answer that starts with a header. */
export function decodeHeader(bytes: Buffer): ResponseHeader {
  const message = new WireMessage(bytes);
  return message.next() === 1 ? readHeader(message.message()) : NO_HEADER;
}

/** The size in a maintenance StatusResponse. */
export function decodeDatabaseBytes(bytes: Buffer): number {
  const message = new WireMessage(bytes);
  let size = 0;
  for (let field = message.next(); field; field = message.next()) {
    if (field === 3) size = message.number();
    else message.skip();
  }
  return size;
}

/** CompactionRequest: history before `revision` goes. */
export function encodeCompaction(revision: number): Buffer {
  return new WireWriter().number(1, revision).finish();
}

/** LeaseGrantRequest; etcd chooses the id. */
export function encodeLeaseGrant(ttlSeconds: number): Buffer {
  return new WireWriter().number(1, ttlSeconds).finish();
}

/** LeaseRevokeRequest and LeaseKeepAliveRequest, which are alike. */
export function encodeLeaseId(id: string): Buffer {
  return new WireWriter().number(1, BigInt(id)).finish();
}

/** The id and time to live in the answers of LeaseGrant and LeaseKeepAlive. */
export function decodeLease(bytes: Buffer): { readonly id: string; readonly ttlSeconds: number } {
  const message = new WireMessage(bytes);
  let id = "";
  let ttlSeconds = 0;
  for (let field = message.next(); field; field = message.next()) {
    if (field === 2) id = String(message.id());
    else if (field === 3) ttlSeconds = message.number();
    else message.skip();
  }
  return { id, ttlSeconds };
}

/**
 * WatchCreateRequest. Fragments are asked for, since all events of a large transaction may be too much for one message.
 */
export function encodeWatchCreate(key: Uint8Array, rangeEnd: Uint8Array, startRevision: number): Buffer {
  const create = new WireWriter().bytes(1, key).bytes(2, rangeEnd).number(3, startRevision).flag(8, true);
  return new WireWriter().message(1, create).finish();
}

/** WatchResponse. */
export function decodeWatch(bytes: Buffer): WatchResponse {
  const message = new WireMessage(bytes);
  const events: WatchEvent[] = [];
  const response = { ...NO_HEADER, created: false, canceled: false, compactRevision: 0, cancelReason: "" };
  let fragment = false;
  for (let field = message.next(); field; field = message.next()) {
    if (field === 1) Object.assign(response, readHeader(message.message()));
    else if (field === 3) response.created = message.flag();
    else if (field === 4) response.canceled = message.flag();
    else if (field === 5) response.compactRevision = message.number();
    else if (field === 6) response.cancelReason = message.text();
    else if (field === 7) fragment = message.flag();
    else if (field === 11) events.push(readEvent(message.message()));
    else message.skip();
  }
  return { ...response, fragment, events };
}

/** Compare.CompareTarget MOD. */
const TARGET_MOD = 2;
const NO_HEADER: ResponseHeader = { clusterId: "", revision: 0 };

function comparison(key: Uint8Array, expectedRevision: number): WireWriter {
  // Result "equal" is 0 and so is left out; the revision is a member of a oneof and is written even when it is 0.
  return new WireWriter().number(2, TARGET_MOD).bytes(3, key).choice(6, expectedRevision);
}

function readHeader(message: WireMessage): ResponseHeader {
  let clusterId = "";
  let revision = 0;
  for (let field = message.next(); field; field = message.next()) {
    if (field === 1) clusterId = clusterIdOf(message.id());
    else if (field === 3) revision = message.number();
    else message.skip();
  }
  return { clusterId, revision };
}

/** One and the same in every answer. */
function clusterIdOf(id: bigint): string {
  if (id !== lastId) {
    lastId = id;
    lastText = id.toString(16);
  }
  return lastText;
}

let lastId = 0n;
let lastText = "0";

function readRange(message: WireMessage): RangeResponse {
  let header = NO_HEADER;
  let more = false;
  let count = 0;
  const kvs: KeyValue[] = [];
  for (let field = message.next(); field; field = message.next()) {
    if (field === 1) header = readHeader(message.message());
    else if (field === 2) kvs.push(readKeyValue(message.message()));
    else if (field === 3) more = message.flag();
    else if (field === 4) count = message.number();
    else message.skip();
  }
  return { ...header, kvs, more, count };
}

function readKeyValue(message: WireMessage): KeyValue {
  let key = EMPTY;
  let value = EMPTY;
  let modRevision = 0;
  for (let field = message.next(); field; field = message.next()) {
    if (field === 1) key = message.slice();
    else if (field === 3) modRevision = message.number();
    else if (field === 5) value = message.slice();
    else message.skip();
  }
  return { key, value, modRevision };
}

const EMPTY: Buffer = Buffer.alloc(0);

function readOperation(message: WireMessage): KeyValue | undefined {
  let found: KeyValue | undefined;
  for (let field = message.next(); field; field = message.next()) {
    if (field === 1) found = readRange(message.message()).kvs[0];
    else message.skip();
  }
  return found;
}

function readEvent(message: WireMessage): WatchEvent {
  let type: WatchEvent["type"] = "put";
  let kv: KeyValue = { key: EMPTY, value: EMPTY, modRevision: 0 };
  for (let field = message.next(); field; field = message.next()) {
    if (field === 1) type = message.number() === 1 ? "delete" : "put";
    else if (field === 2) kv = readKeyValue(message.message());
    else message.skip();
  }
  return { type, kv };
}

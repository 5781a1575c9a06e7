// The protobuf wire format, reading only: tags, varints, lengths. Every read is checked against the end of its message.
import { badRequest } from "@skiff/api/errors.ts";

/** Which of the two depends on the wire type alone; what it means only the schema knows. */
export type WireValue = bigint | Uint8Array;

/** One field as it stands in its message. */
export interface WireField {
  readonly number: number;
  /** A varint or fixed-width number as its bits, or the bytes of a string, message or packed list. */
  readonly value: WireValue;
}

/** The fields of one message in the order they were written; throws 400 for bytes that are none. */
export function* readFields(bytes: Uint8Array): Generator<WireField> {
  const reader = { bytes, at: 0 };
  while (reader.at < bytes.length) {
    const tag = Number(readVarint(reader));
    yield { number: tag >>> 3, value: readValue(reader, tag & 7) };
  }
}

interface Reader {
  readonly bytes: Uint8Array;
  at: number;
}

function readValue(reader: Reader, wireType: number): WireValue {
  if (wireType === 0) return readVarint(reader);
  if (wireType === 1) return readFixed(reader, 8);
  if (wireType === 5) return readFixed(reader, 4);
  if (wireType !== 2) throw malformed();
  const length = Number(readVarint(reader));
  const end = reader.at + length;
  if (end > reader.bytes.length) throw malformed();
  const value = reader.bytes.subarray(reader.at, end);
  reader.at = end;
  return value;
}

function readVarint(reader: Reader): bigint {
  const first = reader.bytes[reader.at];
  if (first === undefined) throw malformed();
  if (first < 0x80) {
    reader.at += 1;
    return BigInt(first);
  }
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = reader.bytes[reader.at++];
    if (byte === undefined) throw malformed();
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asUintN(64, value);
  }
  throw malformed();
}

function readFixed(reader: Reader, size: 4 | 8): bigint {
  const end = reader.at + size;
  if (end > reader.bytes.length) throw malformed();
  const view = new DataView(reader.bytes.buffer, reader.bytes.byteOffset + reader.at, size);
  reader.at = end;
  return size === 8 ? view.getBigUint64(0, true) : BigInt(view.getUint32(0, true));
}

/** A varint as the signed number it stands for. */
export function signed(value: WireValue): number {
  if (typeof value !== "bigint") throw malformed();
  return Number(BigInt.asIntN(64, value));
}

/** The bits of a double. */
export function double(value: WireValue): number {
  if (typeof value !== "bigint") throw malformed();
  return new Float64Array(new BigUint64Array([value]).buffer)[0] ?? 0;
}

/** Throws 400 for a number where bytes are wanted. */
export function bytesOf(value: WireValue): Uint8Array {
  if (typeof value === "bigint") throw malformed();
  return value;
}

/** Bytes as UTF-8. */
export function textOf(value: WireValue): string {
  return Buffer.from(bytesOf(value)).toString("utf8");
}

/** The last value of each field number: what a message without lists means. */
export function fieldMap(bytes: Uint8Array): Map<number, WireValue> {
  return new Map([...readFields(bytes)].map(({ number, value }) => [number, value]));
}

/** The 400 for bytes that do not fit; where they stopped to fit says nothing to a client. */
export function malformed(): Error {
  return badRequest("the body is not a valid protobuf message of its kind");
}

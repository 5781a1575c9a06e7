// DER, the encoding of certificates: writing and reading of tagged values.

/** One value. `raw` is the whole with its head. */
export interface DerValue {
  readonly tag: number;
  readonly content: Buffer;
  readonly raw: Buffer;
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8: 0x0c,
  printable: 0x13,
  ia5: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

export function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(TAG.sequence, ...parts);
}

/** Explicitly tagged, as certificates tag their optional parts. */
export function tagged(number: number, ...parts: readonly Uint8Array[]): Buffer {
  return der(0xa0 | number, ...parts);
}

/** `2.5.4.3` */
export function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((part) => {
    const groups = [part & 0x7f];
    // Beyond 31 bits shifts would fail, and arcs such as 113549 need more than one group.
    for (let left = Math.floor(part / 128); left > 0; left = Math.floor(left / 128))
      groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return der(TAG.oid, Buffer.from(bytes));
}

/** A bit string of whole bytes. */
export function bitString(bytes: Uint8Array, unusedBits = 0): Buffer {
  return der(TAG.bitString, Buffer.from([unusedBits]), bytes);
}

/** Two digits of the year until 2049, four from then on, as RFC 5280 says. */
export function time(epochMs: number): Buffer {
  const digits = `${new Date(epochMs).toISOString().slice(0, 19).replaceAll(/\D/g, "")}Z`;
  const year = Number(digits.slice(0, 4));
  return year < 2050 ? der(TAG.utcTime, Buffer.from(digits.slice(2))) : der(TAG.generalizedTime, Buffer.from(digits));
}

/** Throws where the bytes are not one whole value. */
export function readDer(bytes: Uint8Array): DerValue {
  const [value, ...more] = readAll(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  if (!value || more.length > 0) throw new Error("malformed DER: one value expected");
  return value;
}

export function children(value: DerValue): DerValue[] {
  return readAll(value.content);
}

/** The dotted text of an object identifier. */
export function readOid(value: DerValue): string {
  const parts: number[] = [];
  let current = 0;
  for (const byte of value.content) {
    current = current * 128 + (byte & 0x7f);
    if (byte & 0x80) continue;
    parts.push(current);
    current = 0;
  }
  const head = parts.shift() ?? 0;
  const first = Math.min(2, Math.floor(head / 40));
  return [first, head - first * 40, ...parts].join(".");
}

function readAll(bytes: Buffer): DerValue[] {
  const found: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const value = readAt(bytes, at);
    found.push(value);
    at += value.raw.length;
  }
  return found;
}

function readAt(bytes: Buffer, at: number): DerValue {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) throw new Error("malformed DER");
  let head = 2;
  let length = first;
  if (first >= 0x80) {
    const count = first & 0x7f;
    // Four gigabytes are more than any body that came here.
    if (count === 0 || count > 4 || at + 2 + count > bytes.length) throw new Error("malformed DER: length");
    length = bytes.readUIntBE(at + 2, count);
    head += count;
  }
  const end = at + head + length;
  if (end > bytes.length) throw new Error("malformed DER: truncated");
  return { tag, content: bytes.subarray(at + head, end), raw: bytes.subarray(at, end) };
}

function lengthOf(length: number): Buffer {
  if (length < 0x80) return Buffer.from([length]);
  const bytes: number[] = [];
  for (let left = length; left > 0; left >>>= 8) bytes.unshift(left & 0xff);
  return Buffer.from([0x80 | bytes.length, ...bytes]);
}

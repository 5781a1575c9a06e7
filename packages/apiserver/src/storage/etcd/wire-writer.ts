// The protobuf wire format, writing only what etcd's and the trace collector's requests need. Zero values are left out, as proto3 does.

/** One message. Field numbers are the caller's to know; fields leave in the order of the calls. */
export class WireWriter {
  /** In bytes, so far. */
  length = 0;
  private readonly parts: Uint8Array[] = [];

  number(field: number, value: number | bigint | undefined): this {
    return value ? this.add(varint(field << 3), varint(value)) : this;
  }

  /** A number that is a member of a `oneof`: written even when it is zero. */
  choice(field: number, value: number): this {
    return this.add(varint(field << 3), varint(value));
  }

  fixed64(field: number, value: bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    return this.add(varint((field << 3) | 1), bytes);
  }

  flag(field: number, value: boolean | undefined): this {
    return this.number(field, value ? 1 : 0);
  }

  bytes(field: number, value: Uint8Array | undefined): this {
    return value && value.length > 0 ? this.add(varint((field << 3) | 2), varint(value.length), value) : this;
  }

  /** Written even when empty. Of a writer the parts are taken over, so that bytes are copied once however deep they lie. */
  message(field: number, value: Uint8Array | WireWriter): this {
    this.add(varint((field << 3) | 2), varint(value.length));
    return value instanceof WireWriter ? this.add(...value.parts) : this.add(value);
  }

  finish(): Buffer {
    return Buffer.concat(this.parts, this.length);
  }

  private add(...parts: readonly Uint8Array[]): this {
    for (const part of parts) {
      this.parts.push(part);
      this.length += part.length;
    }
    return this;
  }
}

/** Tags and most lengths are one byte, which need not be made each time. */
const SMALL = Array.from({ length: 128 }, (_, value) => Uint8Array.of(value));

/** Numbers are whole, not negative and below 2^53; ids are bigints of 64 bits. */
function varint(value: number | bigint): Uint8Array {
  if (value < 128) return SMALL[Number(value)] as Uint8Array;
  const out: number[] = [];
  let rest = typeof value === "bigint" ? BigInt.asUintN(64, value) : value;
  while (rest >= 128) {
    if (typeof rest === "bigint") {
      out.push(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    } else {
      out.push((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
  }
  out.push(Number(rest));
  return Uint8Array.from(out);
}

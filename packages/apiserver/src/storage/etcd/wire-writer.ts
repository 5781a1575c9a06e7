// The protobuf wire format, writing only what etcd's and the trace collector's requests need. Zero values are left out, as proto3 does.

/** One message. Field numbers are the caller's to know; fields leave in the order of the calls. */
export class WireWriter {
  private readonly parts: Uint8Array[] = [];

  number(field: number, value: number | bigint | undefined): this {
    if (value) this.parts.push(varint(field << 3), varint(value));
    return this;
  }

  /** A number that is a member of a `oneof`: written even when it is zero. */
  choice(field: number, value: number): this {
    this.parts.push(varint(field << 3), varint(value));
    return this;
  }

  fixed64(field: number, value: bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(value);
    this.parts.push(varint((field << 3) | 1), bytes);
    return this;
  }

  flag(field: number, value: boolean | undefined): this {
    return this.number(field, value ? 1 : 0);
  }

  bytes(field: number, value: Uint8Array | undefined): this {
    if (value && value.length > 0) this.parts.push(varint((field << 3) | 2), varint(value.length), value);
    return this;
  }

  /** Written even when empty. */
  message(field: number, value: Uint8Array): this {
    this.parts.push(varint((field << 3) | 2), varint(value.length), value);
    return this;
  }

  finish(): Buffer {
    return Buffer.concat(this.parts);
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

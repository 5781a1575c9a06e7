// Writes protocol buffers: just the wire types that the OpenAPI document needs.

/** The two wire types of protocol buffers that are used, as the low three bits of a field's tag. */
const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** Collects the fields of one message. Absent and empty values are left out, as proto3 does. */
export class MessageWriter {
  private readonly chunks: Uint8Array[] = [];

  string(field: number, value: string | undefined): this {
    return value ? this.bytes(field, Buffer.from(value, "utf8")) : this;
  }

  strings(field: number, values: readonly string[] | undefined): this {
    for (const value of values ?? []) this.bytes(field, Buffer.from(value, "utf8"));
    return this;
  }

  bool(field: number, value: boolean | undefined): this {
    if (value) this.chunks.push(varint((field << 3) | VARINT), varint(1));
    return this;
  }

  /** An empty message still says that it is there. */
  message(field: number, value: MessageWriter | undefined): this {
    return value ? this.bytes(field, value.finish()) : this;
  }

  finish(): Uint8Array {
    return Buffer.concat(this.chunks);
  }

  private bytes(field: number, value: Uint8Array): this {
    this.chunks.push(varint((field << 3) | LENGTH_DELIMITED), varint(value.length), value);
    return this;
  }
}

/** `value` is a whole number of at most 32 bits. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

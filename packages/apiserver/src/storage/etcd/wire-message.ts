// The protobuf wire format, reading: walks the fields of one message without making an object of them.

/** A cursor over a message; `next` moves to a field, one of the value methods reads or `skip` passes it. */
export class WireMessage {
  private readonly bytes: Buffer;
  private at: number;
  private readonly end: number;
  private type = 0;

  constructor(bytes: Buffer, from = 0, to = bytes.length) {
    this.bytes = bytes;
    this.at = from;
    this.end = to;
  }

  /** The number of the next field, 0 at the end. Its value must be read or skipped before the next call. */
  next(): number {
    if (this.at >= this.end) return 0;
    const tag = this.varint();
    this.type = tag & 7;
    return tag >>> 3;
  }

  /** Exact below 2^53, which revisions and counts are. */
  number(): number {
    return this.varint();
  }

  /** A 64-bit id, exact. Its first 49 bits fit a number, whose arithmetic costs nothing. */
  id(): bigint {
    let low = 0;
    let high = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      if (factor < 2 ** 49) low += (byte & 0x7f) * factor;
      else high += (byte & 0x7f) * (factor / 2 ** 49);
      if (byte < 0x80) return (BigInt(high) << 49n) | BigInt(low);
    }
  }

  /** A bool. */
  flag(): boolean {
    return this.varint() !== 0;
  }

  /** A view, not a copy. */
  slice(): Buffer {
    const length = this.varint();
    const from = this.at;
    this.at += length;
    if (this.at > this.end) throw new RangeError("etcd sent a message that ends too early");
    return this.bytes.subarray(from, this.at);
  }

  text(): string {
    return this.slice().toString("utf8");
  }

  /** A cursor over an embedded message, which may be read after this one has moved on. */
  message(): WireMessage {
    const length = this.varint();
    const from = this.at;
    this.at += length;
    if (this.at > this.end) throw new RangeError("etcd sent a message that ends too early");
    return new WireMessage(this.bytes, from, this.at);
  }

  /** Fields of newer etcds are passed over, whatever they are. */
  skip(): void {
    if (this.type === 0) this.varint();
    else if (this.type === 2) this.slice();
    else this.at += this.type === 1 ? 8 : 4;
  }

  private varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  private byte(): number {
    if (this.at >= this.end) throw new RangeError("etcd sent a message that ends too early");
    return this.bytes[this.at++] as number;
  }
}

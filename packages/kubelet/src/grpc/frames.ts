// gRPC's framing: a byte for compression, four for the length, the message.

const HEAD_BYTES = 5;
/** Far above any answer of a runtime; a length beyond it is nonsense. */
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEAD_BYTES + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, HEAD_BYTES);
  return framed;
}

/** Puts messages together however their bytes were cut. */
export class FrameReader {
  private readonly chunks: Buffer[] = [];
  private size = 0;
  /** Bytes of the next frame with its head; undefined until the head is there. */
  private wanted: number | undefined;

  /** The messages that `chunk` completes. */
  push(chunk: Buffer): Uint8Array[] {
    this.chunks.push(chunk);
    this.size += chunk.length;
    const messages: Uint8Array[] = [];
    for (let length = this.nextLength(); length !== undefined; length = this.nextLength()) {
      const whole = this.joined();
      messages.push(whole.subarray(HEAD_BYTES, length));
      this.chunks[0] = whole.subarray(length);
      this.size -= length;
      this.wanted = undefined;
    }
    return messages;
  }

  private nextLength(): number | undefined {
    if (this.wanted === undefined) {
      if (this.size < HEAD_BYTES) return undefined;
      const head = this.joined();
      const length = head.readUInt32BE(1);
      if (head[0] !== 0) throw new Error("compressed messages were not asked for");
      if (length > MAX_MESSAGE_BYTES) throw new Error(`a message of ${length} bytes`);
      this.wanted = HEAD_BYTES + length;
    }
    return this.size >= this.wanted ? this.wanted : undefined;
  }

  /** One buffer of all that is there; joined once per message, not once per chunk. */
  private joined(): Buffer {
    const whole = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks);
    this.chunks.splice(0, this.chunks.length, whole);
    return whole;
  }
}

// HTTP/2's frames (RFC 9113): their heads, and cutting what arrives into them.

/** The kinds of frames that mean something to a client. */
export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** END_STREAM and ACK are one bit, in frames of different kinds. */
export const FLAG = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

const HEAD_BYTES = 9;

/** A frame on its way out. `payload` is copied. */
export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(HEAD_BYTES + payload.length);
  writeHead(out, payload.length, type, flags, streamId);
  out.set(payload, HEAD_BYTES);
  return out;
}

/** The head alone, for a payload that follows by itself. */
export function frameHead(length: number, type: number, flags: number, streamId: number): Buffer {
  const out = Buffer.allocUnsafe(HEAD_BYTES);
  writeHead(out, length, type, flags, streamId);
  return out;
}

/** A frame whose payload is one number of 32 bits. */
export function numberFrame(type: number, streamId: number, value: number): Buffer {
  const out = Buffer.allocUnsafe(HEAD_BYTES + 4);
  writeHead(out, 4, type, 0, streamId);
  out.writeUInt32BE(value, HEAD_BYTES);
  return out;
}

function writeHead(out: Buffer, length: number, type: number, flags: number, streamId: number): void {
  out.writeUIntBE(length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(streamId, 5);
}

/** What has arrived. Payloads are views that hold only during the call. */
export interface FrameHandlers {
  /** A piece of a DATA frame, as soon as it is there; `isLast` with the frame's last one. */
  onData(streamId: number, flags: number, piece: Buffer, isLast: boolean): void;
  /** Any other frame, and a DATA frame with padding, in one piece. */
  onFrame(type: number, flags: number, streamId: number, payload: Buffer): void;
}

/** Cuts chunks of any size into frames. Long answers are passed on in pieces, so that no byte of them is moved twice. */
export class FrameReader {
  private readonly handlers: FrameHandlers;
  private readonly head = Buffer.alloc(HEAD_BYTES);
  private headFilled = 0;
  private type = 0;
  private flags = 0;
  private streamId = 0;
  /** Bytes of the payload that have not come yet. */
  private missing = 0;
  private pieces: Buffer[] = [];

  constructor(handlers: FrameHandlers) {
    this.handlers = handlers;
  }

  /** Throws RangeError for a frame that is longer than was ever allowed. */
  read(chunk: Buffer): void {
    let at = 0;
    for (;;) {
      if (this.headFilled < HEAD_BYTES) {
        at = this.readHead(chunk, at);
        if (this.headFilled < HEAD_BYTES) return;
      }
      const piece = chunk.subarray(at, at + this.missing);
      if (piece.length === 0 && this.missing > 0) return;
      at += piece.length;
      this.missing -= piece.length;
      this.take(piece);
    }
  }

  private readHead(chunk: Buffer, from: number): number {
    const copied = chunk.copy(this.head, this.headFilled, from, from + HEAD_BYTES - this.headFilled);
    this.headFilled += copied;
    if (this.headFilled < HEAD_BYTES) return from + copied;
    this.missing = this.head.readUIntBE(0, 3);
    if (this.missing > MAX_FRAME_BYTES) throw new RangeError(`a frame of ${this.missing} bytes`);
    this.type = this.head[3] as number;
    this.flags = this.head[4] as number;
    // The highest bit means nothing.
    this.streamId = this.head.readUInt32BE(5) & 0x7fffffff;
    return from + copied;
  }

  private take(piece: Buffer): void {
    const isLast = this.missing === 0;
    // Before the handlers, which may throw.
    if (isLast) this.headFilled = 0;
    if (this.type === FRAME.data && !(this.flags & FLAG.padded)) {
      this.handlers.onData(this.streamId, this.flags, piece, isLast);
    } else if (isLast) {
      const payload = this.pieces.length > 0 ? Buffer.concat([...this.pieces, piece]) : piece;
      this.pieces = [];
      this.handlers.onFrame(this.type, this.flags, this.streamId, payload);
    } else this.pieces.push(Buffer.from(piece));
  }
}

/** What everybody may send us until we allow more, which we do not. */
const MAX_FRAME_BYTES = 16_384;

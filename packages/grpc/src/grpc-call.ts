// One gRPC call on a stream of HTTP/2: messages out of the body's pieces, and the status at the end.
import { GrpcError, UNAVAILABLE } from "./grpc-error.ts";
import type { ClientConnection } from "./http2/client-connection.ts";
import type { ClientStream } from "./http2/client-stream.ts";
import type { HeaderField } from "./http2/hpack.ts";

/** What the server says on an open call. */
export interface StreamHandlers {
  /** The message is the handler's to keep. */
  onMessage(message: Buffer): void;
  /** Once; undefined when the server ended the call without an error. */
  onEnd(error: GrpcError | undefined): void;
}

/** Open from its making on. */
export class GrpcCall {
  private readonly stream: ClientStream;
  private readonly peerName: string;
  private readonly handlers: StreamHandlers;
  private readonly head: Buffer = Buffer.allocUnsafe(HEAD_BYTES);
  private headFilled = 0;
  private message: Buffer = NOTHING;
  private messageFilled = 0;
  /** Null until the server has said it. */
  private status: GrpcError | undefined | null = null;

  constructor(connection: ClientConnection, peerName: string, headers: Buffer, handlers: StreamHandlers) {
    this.peerName = peerName;
    this.handlers = handlers;
    this.stream = connection.open(headers, this);
  }

  send(message: Buffer, isLast: boolean): void {
    const framed = Buffer.allocUnsafe(HEAD_BYTES + message.length);
    // The first byte says that the message is not compressed.
    framed[0] = 0;
    framed.writeUInt32BE(message.length, 1);
    message.copy(framed, HEAD_BYTES);
    this.stream.send(framed, isLast);
  }

  cancel(): void {
    this.stream.cancel();
  }

  onHeaders(fields: readonly HeaderField[]): void {
    let code: string | undefined;
    let text = "";
    for (const [name, value] of fields) {
      if (name === "grpc-status") code = value;
      else if (name === "grpc-message") text = value;
      // Not from a gRPC server but from something in front of it.
      else if (name === ":status" && value !== "200")
        this.status = new GrpcError(UNAVAILABLE, `${this.peerName}: HTTP status ${value}`);
    }
    if (code === undefined) return;
    this.status = code === "0" ? undefined : new GrpcError(Number(code), decodeText(text) || `gRPC status ${code}`);
  }

  onData(piece: Buffer): void {
    for (let at = 0; at < piece.length && !this.stream.isOver; ) {
      if (this.headFilled < HEAD_BYTES) {
        const copied = piece.copy(this.head, this.headFilled, at, at + HEAD_BYTES - this.headFilled);
        this.headFilled += copied;
        at += copied;
        if (this.headFilled < HEAD_BYTES) return;
        this.begin();
      } else {
        const copied = piece.copy(this.message, this.messageFilled, at);
        this.messageFilled += copied;
        at += copied;
      }
      if (this.messageFilled < this.message.length) continue;
      this.headFilled = 0;
      this.handlers.onMessage(this.message);
    }
  }

  onEnd(error: Error | undefined): void {
    this.handlers.onEnd(this.status === null ? broken(this.peerName, error) : this.status);
  }

  private begin(): void {
    const size = this.head.readUInt32BE(1);
    if (this.head[0] !== 0 || size > MAX_MESSAGE_BYTES) throw new RangeError("a message that was not asked for");
    this.message = Buffer.allocUnsafe(size);
    this.messageFilled = 0;
  }
}

function broken(peerName: string, cause: Error | undefined): GrpcError {
  return new GrpcError(UNAVAILABLE, `${peerName}: ${cause?.message ?? "the call ended without a status"}`, { cause });
}

const NOTHING: Buffer = Buffer.alloc(0);
const HEAD_BYTES = 5;
/** A bound against nonsense: no list is read in pages of this size. */
const MAX_MESSAGE_BYTES = 512 * 1024 * 1024;

/** gRPC percent-encodes its error texts. */
function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

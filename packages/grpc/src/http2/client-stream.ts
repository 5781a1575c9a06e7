// One request on a connection: what it still has to send, and whom its answer is for.
import type { HeaderField } from "./hpack.ts";

/** What the server says. */
export interface StreamHandlers {
  /** First those of the answer, then perhaps those behind its body. */
  onHeaders(fields: readonly HeaderField[]): void;
  /** A piece of the body: a view that holds only during the call. */
  onData(piece: Buffer): void;
  /** Once, unless the request was cancelled: undefined when the server ended the answer by itself. */
  onEnd(error: Error | undefined): void;
}

/** What a stream wants of its connection. */
export interface StreamOwner {
  /** Sends of the body what the peer's windows allow; goes on by itself when they open. */
  sendBody(stream: ClientStream): void;
  cancel(stream: ClientStream): void;
}

/** Made by the connection, which alone writes the fields that are not private. */
export class ClientStream {
  /** 0 until the peer allows another stream. */
  id = 0;
  readonly headers: Buffer;
  readonly handlers: StreamHandlers;
  /** The body that waits, and whether that is all of it. */
  readonly body: Buffer[] = [];
  bodyEnds = false;
  endSent = false;
  /** How much of the body the peer would take now; may be negative after it has changed its mind. */
  window = 0;
  /** Received and not yet told the peer. */
  taken = 0;
  isOver = false;
  private readonly owner: StreamOwner;

  constructor(headers: Buffer, handlers: StreamHandlers, owner: StreamOwner) {
    this.headers = headers;
    this.handlers = handlers;
    this.owner = owner;
  }

  /** Adds to the body. The bytes must not change any more. */
  send(bytes: Buffer, isLast: boolean): void {
    if (this.isOver) return;
    this.body.push(bytes);
    this.bodyEnds = isLast;
    this.owner.sendBody(this);
  }

  /** Nothing is delivered afterwards. */
  cancel(): void {
    if (!this.isOver) this.owner.cancel(this);
  }
}

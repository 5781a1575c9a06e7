// One HTTP/2 connection of a client (RFC 9113): requests side by side, flow control both ways, an orderly end.
// Node's own client makes a Duplex with its events for each request, which costs more than all that etcd wants of it.
import { ClientStream, type StreamHandlers } from "./client-stream.ts";
import { FLAG, FRAME, FrameReader, frame, frameHead, numberFrame } from "./frames.ts";
import { type HeaderField, HpackDecoder } from "./hpack.ts";
import { openSocket, type Peer, type PeerSocket } from "./open-socket.ts";

/** What its owner wants to know. */
export interface ConnectionHandlers {
  onConnect(): void;
  /** Once, when no further request may be made here. */
  onRetired(): void;
}

/** Fails all its requests when it breaks; it is for its owner to open another one. */
export class ClientConnection {
  private readonly handlers: ConnectionHandlers;
  private readonly socket: PeerSocket;
  private readonly reader: FrameReader;
  private readonly hpack = new HpackDecoder();
  private readonly streams = new Map<number, ClientStream>();
  /** Requests that are more than the peer takes at once. */
  private readonly waiting: ClientStream[] = [];
  /** Bodies that wait for a window, in the order in which they met a closed one. */
  private readonly blocked = new Set<ClientStream>();
  /** Its first frame says how many streams it takes; one more than that would be refused. */
  private readonly peer = { window: 65_535, initialWindow: 65_535, maxFrame: 16_384, maxStreams: 0 };
  private readonly lastId: number;
  private nextId = 1;
  private taken = 0;
  /** A block of header fields that goes on in the next frame. */
  private cutBlock: { readonly stream: number; readonly flags: number; bytes: Buffer } | undefined;
  private outgoing: Buffer[] = [];
  private flushQueued = false;
  private pings: (() => void)[] = [];
  private isRetired = false;
  private failure: Error | undefined;

  /** `lastId` is the last number a stream may have. */
  constructor(peer: Peer, handlers: ConnectionHandlers, lastId = MAX_STREAM_ID) {
    this.handlers = handlers;
    this.lastId = lastId;
    this.reader = new FrameReader({
      onData: (id, flags, piece, isLast) => this.receiveData(id, flags, piece, isLast),
      onFrame: (type, flags, id, payload) => this.receive(type, flags, id, payload),
    });
    this.socket = openSocket(peer, {
      onConnect: () => {
        this.flush();
        handlers.onConnect();
      },
      onChunk: (chunk) => this.read(chunk),
      onClose: (error) => this.destroy(error),
    });
    this.write(PREFACE, frame(FRAME.settings, 0, 0, SETTINGS), numberFrame(FRAME.windowUpdate, 0, EXTRA_WINDOW));
  }

  get isConnected(): boolean {
    return this.socket.isConnected;
  }

  /** Requests that are not answered yet. */
  get openStreams(): number {
    return this.streams.size + this.waiting.length;
  }

  /** `headers` is what encodeHeaders made. */
  open(headers: Buffer, handlers: StreamHandlers): ClientStream {
    if (this.isRetired) throw new Error("the connection takes no further requests");
    const stream = new ClientStream(headers, handlers, this);
    if (this.streams.size < this.peer.maxStreams) this.start(stream);
    else this.waiting.push(stream);
    return stream;
  }

  /** Asks for a sign of life. */
  ping(onAnswer: () => void): void {
    this.pings.push(onAnswer);
    this.write(frame(FRAME.ping, 0, 0, PING));
  }

  /** Cuts the connection; every request fails with `error`. */
  destroy(error: Error): void {
    if (this.failure) return;
    this.failure = error;
    this.socket.destroy();
    this.outgoing = [];
    this.retire();
    for (const stream of [...this.streams.values(), ...this.waiting.splice(0)]) this.finish(stream, error);
  }

  sendBody(stream: ClientStream): void {
    if (stream.id === 0) return;
    const { body } = stream;
    for (let part = body[0]; part; part = body[0]) {
      const size = Math.min(part.length, stream.window, this.peer.window, this.peer.maxFrame);
      if (size <= 0 && part.length > 0) return void this.blocked.add(stream);
      if (size < part.length) body[0] = part.subarray(size);
      else body.shift();
      stream.window -= size;
      this.peer.window -= size;
      stream.endSent = stream.bodyEnds && body.length === 0;
      const head = frameHead(size, FRAME.data, stream.endSent ? FLAG.endStream : 0, stream.id);
      this.write(head, part.subarray(0, size));
    }
    this.blocked.delete(stream);
  }

  cancel(stream: ClientStream): void {
    this.reset(stream, CANCEL);
    this.forget(stream);
  }

  private start(stream: ClientStream): void {
    stream.id = this.nextId;
    stream.window = this.peer.initialWindow;
    this.nextId += 2;
    this.streams.set(stream.id, stream);
    this.write(frame(FRAME.headers, FLAG.endHeaders, stream.id, stream.headers));
    this.sendBody(stream);
    // Six days of two thousand requests a second use the numbers up.
    if (this.nextId > this.lastId) this.retire();
  }

  /** From now on only what is under way goes on; the connection closes behind it. */
  private retire(): void {
    if (!this.isRetired) {
      this.isRetired = true;
      this.handlers.onRetired();
    }
    if (this.openStreams === 0) this.destroy(new Error("the connection was retired"));
  }

  private forget(stream: ClientStream): void {
    stream.isOver = true;
    this.streams.delete(stream.id);
    this.blocked.delete(stream);
    const place = stream.id === 0 ? this.waiting.indexOf(stream) : -1;
    if (place >= 0) this.waiting.splice(place, 1);
    if (this.failure) return;
    if (this.isRetired) this.retire();
    else this.startWaiting();
  }

  private startWaiting(): void {
    while (this.streams.size < this.peer.maxStreams && !this.isRetired) {
      const next = this.waiting.shift();
      if (!next) return;
      this.start(next);
    }
  }

  private finish(stream: ClientStream, error: Error | undefined): void {
    // The peer is done; what we would still send is of no use to it.
    if (!stream.endSent) this.reset(stream, CANCEL);
    this.forget(stream);
    stream.handlers.onEnd(error);
  }

  private reset(stream: ClientStream, code: number): void {
    if (stream.id > 0) this.write(numberFrame(FRAME.reset, stream.id, code));
  }

  // All that is written in one turn of the event loop leaves together: one TLS record for the requests of many clients.
  private write(...parts: Buffer[]): void {
    if (this.failure) return;
    this.outgoing.push(...parts);
    if (this.flushQueued) return;
    this.flushQueued = true;
    setImmediate(() => this.flush());
  }

  private flush(): void {
    this.flushQueued = false;
    // Until the peer has proved who it is, it is told nothing.
    if (!this.socket.isConnected || this.outgoing.length === 0) return;
    const parts = this.outgoing;
    this.outgoing = [];
    this.socket.write(Buffer.concat(parts));
  }

  private read(chunk: Buffer): void {
    try {
      this.reader.read(chunk);
    } catch (error) {
      // Whoever breaks the rules cannot be understood any further.
      this.destroy(error as Error);
    }
  }

  private receiveData(id: number, flags: number, piece: Buffer, isLast: boolean): void {
    if (this.cutBlock) throw new RangeError("a block of header fields was interrupted");
    const stream = this.stream(id);
    // Only what comes behind it would need the window of a stream that ends here.
    this.take(isLast && flags & FLAG.endStream ? undefined : stream, piece.length);
    if (piece.length > 0) stream?.handlers.onData(piece);
    // The handler may have cancelled it.
    if (isLast && flags & FLAG.endStream && stream && !stream.isOver) this.finish(stream, undefined);
  }

  /** Undefined for one that is over: what was on its way is let pass. */
  private stream(id: number): ClientStream | undefined {
    if (id === 0 || id >= this.nextId) throw new RangeError(`a frame of the stream ${id}, which does not exist`);
    return this.streams.get(id);
  }

  /** Whatever arrives is passed on at once, so the peer may send as much again. */
  private take(stream: ClientStream | undefined, size: number): void {
    this.taken += size;
    if (this.taken >= CONNECTION_WINDOW / 2) {
      this.write(numberFrame(FRAME.windowUpdate, 0, this.taken));
      this.taken = 0;
    }
    if (!stream) return;
    stream.taken += size;
    if (stream.taken < STREAM_WINDOW / 2) return;
    this.write(numberFrame(FRAME.windowUpdate, stream.id, stream.taken));
    stream.taken = 0;
  }

  private receive(type: number, flags: number, id: number, payload: Buffer): void {
    if (this.cutBlock && (type !== FRAME.continuation || id !== this.cutBlock.stream)) {
      throw new RangeError("a block of header fields was interrupted");
    }
    switch (type) {
      case FRAME.data:
        this.receivePadded(id, flags, payload);
        break;
      case FRAME.headers:
        this.receiveBlock(id, flags, withoutPadding(flags, payload));
        break;
      case FRAME.continuation:
        this.receiveRest(flags, payload);
        break;
      case FRAME.reset:
        this.receiveReset(id, payload.readUInt32BE());
        break;
      case FRAME.settings:
        this.receiveSettings(flags, payload);
        break;
      case FRAME.ping:
        this.receivePing(flags, payload);
        break;
      case FRAME.goaway:
        this.receiveGoaway(payload);
        break;
      case FRAME.windowUpdate:
        this.receiveWindow(id, payload.readUInt32BE());
        break;
      case FRAME.push:
        throw new RangeError("the server pushed a stream");
      // Others mean nothing, as the standard says of those that are not known.
    }
  }

  private receivePadded(id: number, flags: number, payload: Buffer): void {
    const piece = withoutPadding(flags & FLAG.padded, payload);
    this.take(undefined, payload.length - piece.length);
    this.receiveData(id, flags, piece, true);
  }

  private receiveBlock(id: number, flags: number, bytes: Buffer): void {
    if (flags & FLAG.endHeaders) this.receiveHeaders(id, flags, bytes);
    else this.cutBlock = { stream: id, flags, bytes: Buffer.from(bytes) };
  }

  private receiveRest(flags: number, payload: Buffer): void {
    const block = this.cutBlock;
    if (!block) throw new RangeError("the rest of no block of header fields");
    block.bytes = Buffer.concat([block.bytes, payload]);
    if (block.bytes.length > MAX_BLOCK_BYTES) throw new RangeError("too long a block of header fields");
    if (!(flags & FLAG.endHeaders)) return;
    this.cutBlock = undefined;
    this.receiveHeaders(block.stream, block.flags, block.bytes);
  }

  private receiveHeaders(id: number, flags: number, block: Buffer): void {
    // Even for a stream that is over: the block may change the table.
    const fields: readonly HeaderField[] = this.hpack.decode(block);
    const stream = this.stream(id);
    stream?.handlers.onHeaders(fields);
    if (flags & FLAG.endStream && stream && !stream.isOver) this.finish(stream, undefined);
  }

  private receiveReset(id: number, code: number): void {
    const stream = this.stream(id);
    if (!stream) return;
    stream.endSent = true;
    this.finish(stream, new Error(`the server reset the stream (code ${code})`));
  }

  private receiveSettings(flags: number, payload: Buffer): void {
    if (flags & FLAG.ack) return;
    this.peer.maxStreams ||= UNLIMITED;
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      this.applySetting(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
    this.write(frame(FRAME.settings, FLAG.ack, 0, NOTHING));
    this.startWaiting();
    this.sendBlocked();
  }

  private applySetting(id: number, value: number): void {
    const { peer } = this;
    if (id === SETTING.maxStreams) peer.maxStreams = value;
    else if (id === SETTING.maxFrame) peer.maxFrame = value;
    else if (id === SETTING.initialWindow) {
      // Of streams that are open too, by the difference.
      for (const stream of this.streams.values()) stream.window += value - peer.initialWindow;
      peer.initialWindow = value;
    }
  }

  private receivePing(flags: number, payload: Buffer): void {
    if (flags & FLAG.ack) this.pings.shift()?.();
    else this.write(frame(FRAME.ping, FLAG.ack, 0, payload));
  }

  /** Requests behind the last one that the peer has taken were never looked at. */
  private receiveGoaway(payload: Buffer): void {
    const last = payload.readUInt32BE() & 0x7fffffff;
    const why = payload.toString("utf8", 8);
    const error = new Error(`the server goes away (code ${payload.readUInt32BE(4)}${why && `, ${why}`})`);
    const lost = [...this.streams.values()].filter((stream) => stream.id > last);
    for (const stream of lost) stream.endSent = true;
    lost.push(...this.waiting.splice(0));
    this.retire();
    for (const stream of lost) if (!stream.isOver) this.finish(stream, error);
  }

  private receiveWindow(id: number, increment: number): void {
    if (id === 0) this.peer.window += increment;
    else {
      const stream = this.stream(id);
      if (!stream) return;
      stream.window += increment;
    }
    this.sendBlocked();
  }

  private sendBlocked(): void {
    // Those that stay blocked keep their places.
    for (const stream of this.blocked) {
      if (this.peer.window <= 0) return;
      this.sendBody(stream);
    }
  }
}

function withoutPadding(flags: number, payload: Buffer): Buffer {
  let from = 0;
  let padding = 0;
  if (flags & FLAG.padded) padding = payload.readUInt8(from++);
  // Of no meaning any more, but still allowed.
  if (flags & FLAG.priority) from += 5;
  if (from + padding > payload.length) throw new RangeError("more padding than there is of the frame");
  return payload.subarray(from, payload.length - padding);
}

const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const NOTHING = Buffer.alloc(0);
const PING = Buffer.alloc(8);
const CANCEL = 8;
const UNLIMITED = 2 ** 31;
const MAX_STREAM_ID = 2 ** 31 - 1;
/** Error texts of etcd are the longest fields there are. */
const MAX_BLOCK_BYTES = 1024 * 1024;

const SETTING = { enablePush: 2, maxStreams: 3, initialWindow: 4, maxFrame: 5 } as const;

/** Windows are what the peer may send before it is read: a long list must not wait a round trip every 64 KB. */
const STREAM_WINDOW = 4 * 1024 * 1024;
const CONNECTION_WINDOW = 16 * 1024 * 1024;
/** The connection's window starts with 65,535 bytes whatever the settings say. */
const EXTRA_WINDOW = CONNECTION_WINDOW - 65_535;

const SETTINGS = encodeSettings({ [SETTING.enablePush]: 0, [SETTING.initialWindow]: STREAM_WINDOW });

function encodeSettings(settings: Readonly<Record<number, number>>): Buffer {
  const entries = Object.entries(settings);
  const out = Buffer.alloc(entries.length * 6);
  for (const [place, [id, value]] of entries.entries()) {
    out.writeUInt16BE(Number(id), place * 6);
    out.writeUInt32BE(value, place * 6 + 2);
  }
  return out;
}

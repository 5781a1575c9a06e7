// gRPC calls on one HTTP/2 connection of our own: exactly as many as asked for, with deadlines, no retries.
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import type { Clock } from "@skiff/component-base/clock.ts";

/** Where etcd is and how it is trusted. */
export interface ChannelOptions {
  /** `https://127.0.0.1:2379`, one per member. */
  readonly servers: readonly string[];
  /** PEM texts; plain connections when absent. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string };
}

/** A call that failed: `code` is gRPC's status, 14 when the connection is to blame. */
export class EtcdError extends Error {
  readonly code: number;

  constructor(code: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "EtcdError";
    this.code = code;
  }
}

/** gRPC's status codes; those that callers tell apart. */
export const DEADLINE_EXCEEDED = 4;
const UNAVAILABLE = 14;

/** An open call that both sides may write to. */
export interface GrpcStream {
  send(message: Buffer): void;
  /** Ends the call; nothing is delivered afterwards. */
  cancel(): void;
}

/** What the server says on an open call. */
export interface StreamHandlers {
  onMessage(message: Buffer): void;
  /** Once; undefined when the server ended the call without an error. */
  onEnd(error: EtcdError | undefined): void;
}

/**
 * A broken connection fails its calls and is opened anew by the next one; repeating a call is its caller's business.
 */
export class GrpcChannel implements Disposable {
  private readonly options: ChannelOptions;
  private readonly clock: Clock;
  private session: ClientHttp2Session | undefined;
  private server = 0;
  private keepalive: Disposable | undefined;
  private openStreams = 0;
  private closed = false;

  constructor(options: ChannelOptions, deps: { clock: Clock }) {
    this.options = options;
    this.clock = deps.clock;
  }

  /** `path` is `/etcdserverpb.KV/Range`. Rejects with EtcdError. */
  unary(path: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let answer: Buffer | undefined;
      const stream = this.open(
        path,
        {
          onMessage: (part) => {
            answer = part;
          },
          onEnd: (error) => {
            timer[Symbol.dispose]();
            if (error) reject(error);
            else if (answer) resolve(answer);
            else reject(new EtcdError(UNAVAILABLE, `${path} was answered with nothing`));
          },
        },
        timeoutMs,
      );
      const timer = this.clock.after(timeoutMs, () => {
        stream.cancel();
        reject(new EtcdError(DEADLINE_EXCEEDED, `${path} took longer than ${timeoutMs} ms`));
      });
      stream.send(message);
      stream.end();
    });
  }

  /** A call that lasts; `metadata` are further headers. */
  stream(path: string, handlers: StreamHandlers, metadata: Readonly<Record<string, string>> = {}): GrpcStream {
    return this.open(path, handlers, 0, metadata);
  }

  [Symbol.dispose](): void {
    this.closed = true;
    this.keepalive?.[Symbol.dispose]();
    this.session?.destroy();
  }

  private open(
    path: string,
    handlers: StreamHandlers,
    timeoutMs: number,
    metadata: Readonly<Record<string, string>> = {},
  ): GrpcStream & { end(): void } {
    const stream = this.connected().request(
      {
        ":method": "POST",
        ":path": path,
        "content-type": "application/grpc",
        te: "trailers",
        ...(timeoutMs > 0 ? { "grpc-timeout": `${timeoutMs}m` } : {}),
        ...metadata,
      },
      { endStream: false },
    );
    this.openStreams += 1;
    const call = new Call(stream, handlers);
    stream.once("close", () => {
      this.openStreams -= 1;
    });
    return {
      send: (message) => void stream.write(frame(message)),
      end: () => void stream.end(),
      cancel: () => call.cancel(),
    };
  }

  /** The present connection, or a new one: to the next member each time, so that a dead one is passed over. */
  private connected(): ClientHttp2Session {
    if (this.closed) throw new EtcdError(UNAVAILABLE, "the connection to etcd is closed");
    if (this.session && !this.session.closed && !this.session.destroyed) return this.session;
    const { servers, tls } = this.options;
    const url = servers[this.server % servers.length] ?? "";
    const session = connect(url, { ...tls, settings: SETTINGS, maxSessionMemory: MAX_SESSION_MB });
    const late = this.clock.after(CONNECT_TIMEOUT_MS, () => session.destroy());
    session.once("connect", () => {
      late[Symbol.dispose]();
      session.setLocalWindowSize(SESSION_WINDOW);
    });
    // Streams report what failed; without a listener the session would throw it as well.
    session.on("error", () => {});
    session.on("goaway", () => this.forget(session));
    session.once("close", () => {
      late[Symbol.dispose]();
      this.forget(session);
    });
    this.session = session;
    this.scheduleKeepalive(session);
    return session;
  }

  private forget(session: ClientHttp2Session): void {
    if (this.session !== session) return;
    this.session = undefined;
    this.server += 1;
  }

  // A peer that vanished without a word shows only in unanswered pings. etcd forbids pings without calls in progress.
  private scheduleKeepalive(session: ClientHttp2Session): void {
    this.keepalive?.[Symbol.dispose]();
    this.keepalive = this.clock.after(PING_INTERVAL_MS, () => {
      if (this.session !== session || session.destroyed) return;
      this.scheduleKeepalive(session);
      if (this.openStreams === 0 || session.connecting) return;
      const late = this.clock.after(PING_TIMEOUT_MS, () => session.destroy());
      if (!session.ping(() => late[Symbol.dispose]())) late[Symbol.dispose]();
    });
  }
}

/** Windows are what etcd may send before it is read: a long list must not wait a round trip every 64 KB. */
const SETTINGS = { enablePush: false, initialWindowSize: 4 * 1024 * 1024 };
const SESSION_WINDOW = 16 * 1024 * 1024;
const MAX_SESSION_MB = 512;
const CONNECT_TIMEOUT_MS = 5_000;
/** A member whose machine is gone is left after the interval and the timeout of one ping. */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 5_000;

/** gRPC's framing: one byte that says "not compressed", four of length, the message. */
function frame(message: Buffer): Buffer {
  const out = Buffer.allocUnsafe(FRAME_HEAD + message.length);
  out[0] = 0;
  out.writeUInt32BE(message.length, 1);
  message.copy(out, FRAME_HEAD);
  return out;
}

const FRAME_HEAD = 5;

/** The receiving side of one call: frames out of chunks, and the status at the end. */
class Call {
  private readonly stream: ClientHttp2Stream;
  private readonly handlers: StreamHandlers;
  private chunks: Buffer[] = [];
  private buffered = 0;
  private status: EtcdError | undefined | null = null;
  private failure: unknown;
  private ended = false;

  constructor(stream: ClientHttp2Stream, handlers: StreamHandlers) {
    this.stream = stream;
    this.handlers = handlers;
    stream.on("response", (headers) => this.readStatus(headers));
    stream.on("trailers", (headers) => this.readStatus(headers));
    stream.on("data", (chunk: Buffer) => this.receive(chunk));
    stream.on("error", (error) => {
      this.failure = error;
    });
    stream.once("close", () => this.finish());
  }

  cancel(): void {
    this.ended = true;
    this.stream.close(constants.NGHTTP2_CANCEL);
  }

  private receive(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    while (!this.ended && this.buffered >= FRAME_HEAD) {
      let head = this.chunks[0] as Buffer;
      if (head.length < FRAME_HEAD) head = this.merge();
      const size = FRAME_HEAD + head.readUInt32BE(1);
      if (this.buffered < size) return;
      const whole = head.length >= size ? head : this.merge();
      const rest = whole.subarray(size);
      this.chunks = rest.length > 0 ? [rest, ...this.chunks.slice(1)] : this.chunks.slice(1);
      this.buffered -= size;
      this.handlers.onMessage(whole.subarray(FRAME_HEAD, size));
    }
  }

  private merge(): Buffer {
    const whole = Buffer.concat(this.chunks, this.buffered);
    this.chunks = [whole];
    return whole;
  }

  private readStatus(headers: Readonly<Record<string, unknown>>): void {
    const code = headers["grpc-status"];
    if (code === undefined) return;
    const text = decodeMessage(String(headers["grpc-message"] ?? ""));
    this.status = Number(code) === 0 ? undefined : new EtcdError(Number(code), text || `gRPC status ${code}`);
  }

  private finish(): void {
    if (this.ended) return;
    this.ended = true;
    this.handlers.onEnd(this.status === null ? this.connectionError() : this.status);
  }

  private connectionError(): EtcdError {
    const why = this.failure instanceof Error ? this.failure.message : "the connection was closed";
    return new EtcdError(UNAVAILABLE, `etcd: ${why}`, { cause: this.failure });
  }
}

/** gRPC percent-encodes its error texts. */
function decodeMessage(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

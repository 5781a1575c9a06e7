// gRPC calls on one HTTP/2 connection of our own: exactly as many as asked for, with deadlines, no retries.
import type { Clock } from "@skiff/component-base/clock.ts";
import { GrpcCall, type StreamHandlers } from "./grpc-call.ts";
import { CANCELLED, DEADLINE_EXCEEDED, GrpcError, UNAVAILABLE } from "./grpc-error.ts";
import { ClientConnection } from "./http2/client-connection.ts";
import { encodeHeaders } from "./http2/hpack.ts";
import type { Peer } from "./http2/open-socket.ts";

/** Where the server is, how it is trusted, and what it is called in errors. */
export interface ChannelOptions {
  /** `https://127.0.0.1:2379`, one per member, or `unix:///run/containerd/containerd.sock`. */
  readonly servers: readonly string[];
  /** Such as `etcd`. */
  readonly name: string;
  /** PEM texts; plain connections when absent. */
  readonly tls?: NonNullable<Peer["tls"]>;
}

/** An open call that both sides may write to. */
export interface GrpcStream {
  /** After the last message the server is told that no more come. */
  send(message: Buffer, isLast?: boolean): void;
  /** Ends the call; nothing is delivered afterwards. */
  cancel(): void;
}

/**
 * A broken connection fails its calls and is opened anew by the next one; repeating a call is its caller's business.
 */
export class GrpcChannel implements Disposable {
  private readonly options: ChannelOptions;
  private readonly clock: Clock;
  private connection: ClientConnection | undefined;
  private server = 0;
  private keepalive: Disposable | undefined;
  private closed = false;
  /** Of unary calls, by path and deadline: there are a dozen of them, and all of a kind have the same. */
  private readonly headers = new Map<string, Buffer>();

  constructor(options: ChannelOptions, deps: { clock: Clock }) {
    this.options = options;
    this.clock = deps.clock;
  }

  /** `path` is `/etcdserverpb.KV/Range`. Rejects with GrpcError, also when the signal aborts. */
  unary(path: string, message: Buffer, timeoutMs: number, signal?: AbortSignal): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let answer: Buffer | undefined;
      const giveUp = () => {
        timer[Symbol.dispose]();
        call.cancel();
        reject(new GrpcError(CANCELLED, `${path} was cancelled`));
      };
      const call = this.open(() => this.headersOf(path, timeoutMs), {
        onMessage: (part) => {
          answer = part;
        },
        onEnd: (error) => {
          timer[Symbol.dispose]();
          signal?.removeEventListener("abort", giveUp);
          if (error) reject(error);
          else if (answer) resolve(answer);
          else reject(new GrpcError(UNAVAILABLE, `${path} was answered with nothing`));
        },
      });
      const timer = this.clock.after(timeoutMs, () => {
        signal?.removeEventListener("abort", giveUp);
        call.cancel();
        reject(new GrpcError(DEADLINE_EXCEEDED, `${path} took longer than ${timeoutMs} ms`));
      });
      call.send(message, true);
      if (signal?.aborted) giveUp();
      else signal?.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** A call that lasts; `metadata` are further headers. */
  stream(path: string, handlers: StreamHandlers, metadata: Readonly<Record<string, string>> = {}): GrpcStream {
    const call = this.open(() => this.encode(path, metadata), handlers);
    return { send: (message, isLast = false) => call.send(message, isLast), cancel: () => call.cancel() };
  }

  [Symbol.dispose](): void {
    this.closed = true;
    this.keepalive?.[Symbol.dispose]();
    this.connection?.destroy(new Error("it is no longer wanted"));
  }

  private open(headers: () => Buffer, handlers: StreamHandlers): GrpcCall {
    const connection = this.connected();
    // Afterwards: they name the server that this connection leads to.
    return new GrpcCall(connection, this.options.name, headers(), handlers);
  }

  private headersOf(path: string, timeoutMs: number): Buffer {
    const id = `${path} ${timeoutMs}`;
    const known = this.headers.get(id);
    if (known) return known;
    const headers = this.encode(path, { "grpc-timeout": `${timeoutMs}m` });
    this.headers.set(id, headers);
    return headers;
  }

  private encode(path: string, metadata: Readonly<Record<string, string>>): Buffer {
    const { protocol, host } = new URL(this.url);
    const place = isLocal(this.url)
      ? { ":scheme": "http", ":authority": "localhost" }
      : { ":scheme": protocol.slice(0, -1), ":authority": host };
    const request = { ":method": "POST", ":path": path, ...place };
    return encodeHeaders({ ...request, "content-type": "application/grpc", te: "trailers", ...metadata });
  }

  private get url(): string {
    const { servers } = this.options;
    return servers[this.server % servers.length] ?? "";
  }

  /** The present connection, or a new one: to the next member each time, so that a dead one is passed over. */
  private connected(): ClientConnection {
    if (this.closed) throw new GrpcError(UNAVAILABLE, `the connection to ${this.options.name} is closed`);
    if (this.connection) return this.connection;
    this.headers.clear();
    const connection = new ClientConnection(
      { url: this.url, tls: this.options.tls },
      {
        onConnect: () => late[Symbol.dispose](),
        onRetired: () => {
          late[Symbol.dispose]();
          this.forget(connection);
        },
      },
    );
    // A process of this machine answers at once or not at all; only a machine that is far behind would take longer.
    const timeoutMs = isLocal(this.url) ? LOCAL_CONNECT_TIMEOUT_MS : CONNECT_TIMEOUT_MS;
    const late = this.clock.after(timeoutMs, () => connection.destroy(new Error("connecting took too long")));
    this.connection = connection;
    this.scheduleKeepalive(connection);
    return connection;
  }

  private forget(connection: ClientConnection): void {
    if (this.connection !== connection) return;
    this.connection = undefined;
    this.server += 1;
  }

  // A peer that vanished without a word shows only in unanswered pings. etcd forbids pings without calls in progress. A process of
  // this machine cannot vanish so, and gRPC servers take frequent pings for an attack unless they are told otherwise.
  private scheduleKeepalive(connection: ClientConnection): void {
    if (isLocal(this.url)) return;
    this.keepalive?.[Symbol.dispose]();
    this.keepalive = this.clock.after(PING_INTERVAL_MS, () => {
      if (this.connection !== connection) return;
      this.scheduleKeepalive(connection);
      if (connection.openStreams === 0 || !connection.isConnected) return;
      const late = this.clock.after(PING_TIMEOUT_MS, () => connection.destroy(new Error("a ping was not answered")));
      connection.ping(() => late[Symbol.dispose]());
    });
  }
}

function isLocal(url: string): boolean {
  return url.startsWith("unix:");
}

const CONNECT_TIMEOUT_MS = 5_000;
const LOCAL_CONNECT_TIMEOUT_MS = 60_000;
/** A member whose machine is gone is left after the interval and the timeout of one ping. */
const PING_INTERVAL_MS = 10_000;
const PING_TIMEOUT_MS = 5_000;

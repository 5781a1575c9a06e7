// gRPC's wire over one HTTP/2 session: calls with one answer, and calls whose answers stream.
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2";
import { connect, constants } from "node:http2";
import type { NetConnectOpts } from "node:net";
import { connect as dial } from "node:net";
import type { Clock } from "@skiff/component-base/clock.ts";
import { FrameReader, frame } from "./frames.ts";
import { GRPC, GrpcError } from "./grpc-error.ts";

export interface GrpcChannelDeps {
  readonly clock: Pick<Clock, "after">;
}

export interface UnaryOptions {
  readonly timeoutMs: number;
  /** Calls off what is under way; the other side is told. */
  readonly signal?: AbortSignal | undefined;
}

/** Lists of a full node come in one answer; HTTP/2's own 64 KiB would cut them into many round trips. */
const WINDOW_BYTES = 4 * 1024 * 1024;

export class GrpcChannel implements Disposable {
  private readonly target: NetConnectOpts;
  private readonly authority: string;
  private readonly userAgent: string;
  private readonly deps: GrpcChannelDeps;
  private session: ClientHttp2Session | undefined;

  /** Connects on the first call, and again on the next one after the connection is lost. */
  constructor(target: NetConnectOpts, options: { authority: string; userAgent: string }, deps: GrpcChannelDeps) {
    this.target = target;
    this.authority = options.authority;
    this.userAgent = options.userAgent;
    this.deps = deps;
  }

  /** The one answer; throws GrpcError. */
  unary(path: string, message: Uint8Array, { timeoutMs, signal }: UnaryOptions): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const stream = this.open(path, message, timeoutMs);
      const reader = new FrameReader();
      let answer: Uint8Array | undefined;
      const fail = (error: GrpcError) => {
        end();
        reject(error);
      };
      const timer = this.deps.clock.after(timeoutMs, () => {
        fail(new GrpcError(GRPC.deadlineExceeded, "context deadline exceeded"));
        stream.close(constants.NGHTTP2_CANCEL);
      });
      const onAbort = () => {
        fail(new GrpcError(GRPC.cancelled, "context canceled", { cause: signal?.reason }));
        stream.close(constants.NGHTTP2_CANCEL);
      };
      const end = () => {
        timer[Symbol.dispose]();
        signal?.removeEventListener("abort", onAbort);
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener("abort", onAbort, { once: true });
      stream.on("data", (chunk: Buffer) => {
        try {
          for (const found of reader.push(chunk)) answer = found;
        } catch (error) {
          fail(new GrpcError(GRPC.internal, String(error), { cause: error }));
          stream.close(constants.NGHTTP2_CANCEL);
        }
      });
      whenDone(stream, (error) => {
        if (error) return fail(error);
        if (!answer) return fail(new GrpcError(GRPC.internal, "the answer has no message"));
        end();
        resolve(answer);
      });
    });
  }

  /** Messages until the other side ends, the signal aborts or the reader stops; throws GrpcError. */
  async *stream(path: string, message: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    signal.throwIfAborted();
    const stream = this.open(path, message, undefined);
    const outcome = Promise.withResolvers<GrpcError | undefined>();
    whenDone(stream, outcome.resolve);
    const cancel = () => stream.close(constants.NGHTTP2_CANCEL);
    signal.addEventListener("abort", cancel, { once: true });
    const reader = new FrameReader();
    try {
      for await (const chunk of stream) yield* reader.push(chunk as Buffer);
    } catch (error) {
      // What became of the call itself is told by whenDone, in gRPC's terms.
      if (!stream.errored) throw new GrpcError(GRPC.internal, String(error), { cause: error });
    } finally {
      signal.removeEventListener("abort", cancel);
      cancel();
    }
    const error = await outcome.promise;
    if (error && !signal.aborted) throw error;
  }

  [Symbol.dispose](): void {
    this.session?.destroy();
    this.session = undefined;
  }

  private open(path: string, message: Uint8Array, timeoutMs: number | undefined): ClientHttp2Stream {
    const stream = this.connected().request({
      ":method": "POST",
      ":path": path,
      ":authority": this.authority,
      "content-type": "application/grpc",
      te: "trailers",
      "user-agent": this.userAgent,
      ...(timeoutMs === undefined ? {} : { "grpc-timeout": timeoutText(timeoutMs) }),
    });
    stream.end(frame(message));
    return stream;
  }

  private connected(): ClientHttp2Session {
    if (this.session && !this.session.destroyed && !this.session.closed) return this.session;
    const session = connect(`http://${this.authority}`, {
      createConnection: () => dial(this.target),
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
    });
    session.once("connect", () => session.setLocalWindowSize(WINDOW_BYTES));
    // Its streams carry the error to their callers; the next call connects anew.
    session.on("error", () => {});
    session.once("goaway", () => this.leave(session));
    session.once("close", () => this.leave(session));
    this.session = session;
    return session;
  }

  private leave(session: ClientHttp2Session): void {
    if (this.session === session) this.session = undefined;
  }
}

type Answer = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** Calls `done` once, when the stream is over: without an error after status 0 alone. */
function whenDone(stream: ClientHttp2Stream, done: (error: GrpcError | undefined) => void): void {
  let head: Answer | undefined;
  let trailers: Answer | undefined;
  let failure: Error | undefined;
  stream.once("response", (headers) => {
    head = headers;
  });
  stream.once("trailers", (headers) => {
    trailers = headers;
  });
  stream.on("error", (error) => {
    failure = error;
  });
  stream.once("close", () => done(outcomeOf(trailers ?? head, failure)));
}

function outcomeOf(headers: Answer | undefined, failure: Error | undefined): GrpcError | undefined {
  const status = headers?.["grpc-status"];
  if (status !== undefined) {
    const code = Number(status);
    return code === GRPC.ok ? undefined : new GrpcError(code, decodeText(String(headers?.["grpc-message"] ?? "")));
  }
  // A server that speaks no gRPC answers like any web server.
  const http = headers?.[":status"];
  if (http !== undefined && http !== 200) {
    const code = http === 404 ? GRPC.unimplemented : GRPC.unavailable;
    return new GrpcError(code, `unexpected HTTP status code received from server: ${http}`);
  }
  const why = failure ? `connection error: desc = "transport: ${failure.message}"` : "error reading from server: EOF";
  return new GrpcError(GRPC.unavailable, why, failure && { cause: failure });
}

/** At most eight digits and a unit, as the protocol wants it. */
function timeoutText(ms: number): string {
  return ms < 100_000_000 ? `${Math.max(1, Math.ceil(ms))}m` : `${Math.ceil(ms / 1000)}S`;
}

function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

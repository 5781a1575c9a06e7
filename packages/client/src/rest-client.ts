// HTTP to the apiserver: pooled connections, credentials, retries that are safe, errors as ApiError or ConnectionError.
import type { KubeObject } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { currentTraceId, formatTraceparent } from "@skiff/component-base/trace.ts";
import type { ClientConfig } from "./config.ts";
import { ConnectionError, toConnectionError, wasReset } from "./connection-error.ts";
import type { HttpAnswer } from "./http-pool.ts";
import { HttpPool } from "./http-pool.ts";
import { ResourceClient } from "./resource-client.ts";
import { errorOfAnswer, retryDelayMs } from "./rest-answer.ts";
import { RestMetrics } from "./rest-metrics.ts";
import { TokenSource } from "./token-source.ts";

export { ConnectionError } from "./connection-error.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface RestRequest {
  readonly method: Method;
  /** From the root: `/api/v1/nodes`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Text and bytes go out as they are, everything else as JSON. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** For the whole exchange; 60 s unless told. */
  readonly timeoutMs?: number;
}

export interface RestAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed when the server calls it JSON, text otherwise. */
  readonly body: unknown;
}

/** An answer that is still coming. Abort the request's signal, or stop iterating, to end it. */
export interface StreamAnswer {
  readonly status: number;
  readonly headers: RestAnswer["headers"];
  readonly chunks: AsyncIterable<Uint8Array>;
}

export interface RestClientOptions {
  /** `program/version`, which the audit log and the managed fields show. */
  readonly userAgent: string;
  /** The most requests at once, watches apart; others wait their turn. */
  readonly connections?: number;
}

export interface RestClientDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Give it to one client per program only: metric names are registered once. */
  readonly metrics?: MetricsRegistry;
}

const DEFAULT_TIMEOUT_MS = 60_000;
/** As client-go: so many answers that say Retry-After are obeyed before the error is the caller's. */
const MAX_RETRY_AFTER = 10;
/** A list of everything in a very large cluster; JSON.parse could not take a longer text than this anyway. */
const MAX_ANSWER_BYTES = 512 * 1024 * 1024;

/** One client per program and server; everything else here speaks through it. */
export class RestClient implements AsyncDisposable {
  private readonly config: ClientConfig;
  private readonly connections: number;
  private pool: HttpPool;
  private streams: HttpPool;
  private readonly prefix: string;
  private readonly host: string;
  private readonly userAgent: string;
  private readonly tokens: TokenSource;
  private readonly clock: Clock;
  private readonly metrics: RestMetrics | undefined;
  private readonly resources = new Map<string, unknown>();

  constructor(config: ClientConfig, options: RestClientOptions, deps: RestClientDeps) {
    const url = new URL(config.server);
    this.config = config;
    this.prefix = url.pathname.replace(/\/$/, "");
    this.host = url.host;
    this.userAgent = options.userAgent;
    this.clock = deps.clock;
    this.tokens = new TokenSource(config, deps.clock);
    this.metrics = deps.metrics && new RestMetrics(deps.metrics);
    // HTTP/1.1 carries one request per connection at a time, so this is the concurrency too.
    this.connections = options.connections ?? 32;
    ({ pool: this.pool, streams: this.streams } = makePools(config, this.connections));
  }

  /**
   * Speaks under another certificate from now on. Requests under way end on their old connections; watches and other streams are
   * cut, so that none goes on under a certificate that may soon be refused.
   */
  useCertificate(cert: string, key: string): void {
    const { pool, streams } = this;
    ({ pool: this.pool, streams: this.streams } = makePools({ ...this.config, cert, key }, this.connections));
    // Nobody waits for the old ones to end, and what fails at closing is closed.
    pool.close().catch(() => {});
    streams.destroy().catch(() => {});
  }

  /** The typed client of one resource. */
  of<T extends KubeObject>(ref: ResourceRef<T>): ResourceClient<T> {
    const key = `${ref.group}/${ref.version}/${ref.plural}`;
    const known = this.resources.get(key);
    if (known) return known as ResourceClient<T>;
    const made = new ResourceClient<T>(this, ref);
    this.resources.set(key, made);
    return made;
  }

  /** One exchange; throws ApiError for an answer of 400 or more, ConnectionError when there is none. */
  async request(request: RestRequest): Promise<RestAnswer> {
    using limit = new TimeLimit(request, this.clock);
    for (let attempt = 0; ; attempt++) {
      // The time limit is of all tries together: a caller waits no longer because the server asked for patience.
      const answer = await this.exchange(request, limit);
      if (answer.status < 400) return answer;
      const waitMs = attempt < MAX_RETRY_AFTER ? retryDelayMs(request.method, answer) : undefined;
      if (waitMs === undefined) {
        // The token may have been replaced since its file was read.
        if (answer.status === 401 && attempt === 0 && this.tokens.refused()) continue;
        throw errorOfAnswer(answer);
      }
      await this.clock.sleep(waitMs, limit.signal).catch((error: unknown) => limit.fail(error));
    }
  }

  /** Opens a long answer, such as a watch or a followed log; `idleTimeoutMs` ends one that says nothing for so long. */
  async stream(request: RestRequest & { readonly idleTimeoutMs?: number }): Promise<StreamAnswer> {
    // The limit is for the headers: once the stream is open it may last.
    const opening = new AbortController();
    const signal = AbortSignal.any([request.signal, opening.signal]);
    const late = new ConnectionError(`${describe(request)}: no answer in time`, "ETIMEDOUT");
    using _limit = this.clock.after(request.timeoutMs ?? DEFAULT_TIMEOUT_MS, () => opening.abort(late));
    const data = await this.send("streams", request, signal, request.idleTimeoutMs);
    if (data.statusCode >= 400) {
      const body = await this.readBody(data, request, signal);
      throw errorOfAnswer({ status: data.statusCode, headers: data.headers, body });
    }
    return { status: data.statusCode, headers: data.headers, chunks: chunksOf(data, request) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.pool.destroy(), this.streams.destroy()]);
  }

  private async exchange(request: RestRequest, limit: TimeLimit): Promise<RestAnswer> {
    try {
      return await this.exchangeOnce(request, limit);
    } catch (error) {
      // The server may close an idle connection just as a request goes out on it. Only reads are safe to repeat unasked.
      if (request.method !== "GET" || limit.signal.aborted || !wasReset(error)) throw error;
      return await this.exchangeOnce(request, limit);
    }
  }

  private async exchangeOnce(request: RestRequest, limit: TimeLimit): Promise<RestAnswer> {
    const startedAt = this.clock.monotonic();
    try {
      const data = await this.send("pool", request, limit.signal);
      const body = await this.readBody(data, request, limit.signal);
      this.observe(request, startedAt, String(data.statusCode));
      return { status: data.statusCode, headers: data.headers, body };
    } catch (error) {
      this.observe(request, startedAt, "<error>");
      throw error;
    }
  }

  private observe(request: RestRequest, startedAt: number, code: string): void {
    this.metrics?.observe(request.method, this.host, code, (this.clock.monotonic() - startedAt) / 1000);
  }

  private async send(
    which: "pool" | "streams",
    request: RestRequest,
    signal: AbortSignal,
    bodyTimeout = 0,
  ): Promise<HttpAnswer> {
    signal.throwIfAborted();
    try {
      const headers = await this.headersOf(request);
      // The pool is looked up only now: waiting for a token, its certificate may have been replaced.
      return await this[which].request({
        method: request.method,
        path: this.prefix + request.path + queryText(request.query),
        headers,
        body: bodyOf(request.body),
        signal,
        bodyTimeout,
      });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw toConnectionError(error, describe(request));
    }
  }

  private async headersOf(request: RestRequest): Promise<Record<string, string>> {
    const headers: Record<string, string> = { accept: "application/json", "user-agent": this.userAgent };
    const token = await this.tokens.current();
    if (token) headers.authorization = `Bearer ${token}`;
    const trace = currentTraceId();
    if (trace) headers.traceparent = formatTraceparent(trace);
    if (request.body !== undefined) headers["content-type"] = request.contentType ?? "application/json";
    // The caller's own come last, such as another Accept or another identity's token.
    return Object.assign(headers, request.headers);
  }

  private async readBody(data: HttpAnswer, request: RestRequest, signal: AbortSignal): Promise<unknown> {
    try {
      const text = await data.body.text();
      const isJson = String(data.headers["content-type"] ?? "").startsWith("application/json");
      return isJson && text ? (JSON.parse(text) as unknown) : text;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      throw toConnectionError(error, describe(request));
    }
  }
}

function makePools(config: ClientConfig, connections: number): { pool: HttpPool; streams: HttpPool } {
  const { origin } = new URL(config.server);
  // Time limits are ours (per exchange), so undici's per-phase ones are off.
  const settings = { allowH2: false, headersTimeout: 0, bodyTimeout: 0, connect: connectOptions(config) } as const;
  return {
    pool: new HttpPool(origin, { ...settings, connections, maxResponseSize: MAX_ANSWER_BYTES }),
    // Streams last for minutes: on connections of their own they never starve requests.
    streams: new HttpPool(origin, { ...settings, connections: null }),
  };
}

/** TLS and TCP settings. A dead peer is noticed by keep-alive probes even on a connection that only listens. */
function connectOptions(config: ClientConfig) {
  return {
    timeout: 10_000,
    keepAlive: true,
    keepAliveInitialDelay: 30_000,
    ...(config.ca ? { ca: config.ca } : {}),
    ...(config.cert ? { cert: config.cert } : {}),
    ...(config.key ? { key: config.key } : {}),
    ...(config.tlsServerName ? { servername: config.tlsServerName } : {}),
    ...(config.insecureSkipTlsVerify ? { rejectUnauthorized: false } : {}),
  };
}

/** The caller's signal and the time limit of one request as one signal. Lighter than AbortSignal.any and its timers. */
class TimeLimit implements Disposable {
  private readonly controller = new AbortController();
  private readonly caller: AbortSignal;
  private readonly timer: Disposable;
  private readonly onAbort = () => this.controller.abort(this.caller.reason);

  constructor(request: RestRequest, clock: Clock) {
    this.caller = request.signal;
    this.caller.throwIfAborted();
    this.caller.addEventListener("abort", this.onAbort, { once: true });
    this.timer = clock.after(request.timeoutMs ?? DEFAULT_TIMEOUT_MS, () =>
      this.controller.abort(new ConnectionError(`${describe(request)}: no answer in time`, "ETIMEDOUT")),
    );
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  fail(error: unknown): never {
    throw this.signal.aborted ? this.signal.reason : error;
  }

  [Symbol.dispose](): void {
    this.caller.removeEventListener("abort", this.onAbort);
    this.timer[Symbol.dispose]();
  }
}

function bodyOf(body: unknown): string | Uint8Array | null {
  if (body === undefined) return null;
  return typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
}

function queryText(query: RestRequest["query"]): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    // Upstream reads an empty parameter as absent, so it is left out: `watch` with resourceVersion "" for one.
    if (value !== undefined && value !== "") params.append(name, String(value));
  }
  const text = params.toString();
  return text && `?${text}`;
}

async function* chunksOf(data: HttpAnswer, request: RestRequest): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of data.body) yield chunk as Uint8Array;
  } catch (error) {
    if (request.signal.aborted) throw request.signal.reason;
    throw toConnectionError(error, describe(request));
  } finally {
    // A reader that stops early leaves bytes unread; destroying ends the request instead of holding its connection.
    data.body.destroy();
  }
}

function describe(request: RestRequest): string {
  return `${request.method} ${request.path}`;
}

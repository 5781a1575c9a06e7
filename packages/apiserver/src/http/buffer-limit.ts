// What all connections together may hold in memory for slow readers and unread bodies: beyond it those that hold most are cut.
import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Counter, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { RawRequest, RawResponse } from "./exchange.ts";

interface BufferLimitDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

/**
 * Each stream and connection has a bound of its own, but there may be any number of them. Looked at once a second while
 * requests run, and after every so many new ones, so that it cannot be far exceeded in between.
 */
export class BufferLimit {
  private readonly maxBytes: number;
  private readonly deps: BufferLimitDeps;
  private readonly open = new Map<RawResponse, RawRequest>();
  private readonly cut: Counter;
  private timer: Disposable | undefined;
  private newSinceCheck = 0;
  private buffered = 0;

  constructor(maxBytes: number, deps: BufferLimitDeps) {
    this.maxBytes = maxBytes;
    this.deps = deps;
    this.cut = deps.metrics.counter(
      "apiserver_cut_connections_total",
      "Connections that were cut because all together held too much in memory, and they the most.",
    );
    deps.metrics.observedGauge(
      "apiserver_buffered_bytes",
      "Bytes that connections held in memory when that was last looked at.",
      () => [{ value: this.buffered }],
    );
  }

  opened(request: RawRequest, response: RawResponse): void {
    this.open.set(response, request);
    this.newSinceCheck += 1;
    if (this.newSinceCheck >= REQUESTS_PER_CHECK) this.check();
    this.timer ??= this.deps.clock.after(CHECK_MS, () => this.onTimer());
  }

  closed(response: RawResponse): void {
    this.open.delete(response);
  }

  private onTimer(): void {
    this.timer = undefined;
    this.check();
    if (this.open.size > 0) this.timer = this.deps.clock.after(CHECK_MS, () => this.onTimer());
  }

  private check(): void {
    this.newSinceCheck = 0;
    const holders = new Map<Connection, number>();
    let total = 0;
    for (const [response, request] of this.open) {
      const connection = connectionOf(request);
      if (!connection) continue;
      const known = holders.get(connection);
      // A connection's own buffer counts once, however many requests it carries.
      const bytes = bufferedBy(request, response) + (known === undefined ? ownBuffer(connection) : 0);
      holders.set(connection, (known ?? 0) + bytes);
      total += bytes;
    }
    this.buffered = total;
    if (total > this.maxBytes) this.cutLargest(holders, total);
  }

  /** Somewhat below the bound, or the next byte would bring the next cut. */
  private cutLargest(holders: ReadonlyMap<Connection, number>, before: number): void {
    let [total, count] = [before, 0];
    for (const [connection, bytes] of [...holders].sort(([, a], [, b]) => b - a)) {
      if (total <= this.maxBytes * AFTER_CUT) break;
      connection.destroy();
      total -= bytes;
      count += 1;
    }
    this.cut.inc({}, count);
    this.deps.log.warn({ before, after: total, connections: count }, "cut the connections that held the most memory");
  }
}

const CHECK_MS = 1000;
const REQUESTS_PER_CHECK = 256;
const AFTER_CUT = 0.75;

type Connection = Socket | ServerHttp2Session;

function connectionOf(request: RawRequest): Connection | undefined {
  return "stream" in request ? (request.stream.session as ServerHttp2Session | undefined) : request.socket;
}

function bufferedBy(request: RawRequest, response: RawResponse): number {
  const unread = request.readableLength;
  if (!("stream" in request)) return unread + response.writableLength;
  return unread + request.stream.readableLength + request.stream.writableLength;
}

/** HTTP/1.1's socket may be written to directly; HTTP/2's belongs to the session. */
function ownBuffer(connection: Connection): number {
  return "writableLength" in connection ? connection.writableLength : 0;
}

// Upstream's request metrics: how many, how long, how large, and which were cut short.
import {
  type Counter,
  type Gauge,
  type Histogram,
  keptLabels,
  type Labels,
  type MetricsRegistry,
} from "@skiff/component-base/metrics.ts";
import type { Exchange } from "../http/exchange.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { PerKind, RequestLimit } from "./in-flight.ts";

/** How a request ended. */
export interface RequestOutcome {
  readonly code: number;
  readonly seconds: number;
  /** Of the answer's body, as sent; undefined for a connection that left HTTP. */
  readonly bytes: number | undefined;
  /** False for paths and resources that do not exist: their names are the client's and unbounded. */
  readonly served: boolean;
}

// Upstream's.
const SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
const SLI_SECONDS = SECONDS.slice(2);
const BYTES = Array.from({ length: 7 }, (_, i) => 1000 * 10 ** i);

/** The series of requests of one sort. */
interface KnownRequests {
  readonly base: Labels;
  readonly withDryRun: Labels;
  readonly duration: { observe(seconds: number): void };
  /** Dry runs promise nobody a latency. */
  readonly sli: { observe(seconds: number): void } | undefined;
  /** Of reads only. */
  readonly sizes: { observe(bytes: number): void } | undefined;
  readonly byCode: Map<number, { inc(): void }>;
}

/** Names and labels are upstream's, so that its dashboards and alerts work. */
export class RequestMetrics {
  private readonly longRunning: Gauge;
  private readonly total: Counter;
  private readonly duration: Histogram;
  private readonly sli: Histogram;
  private readonly sizes: Histogram;
  private readonly terminations: Counter;
  private readonly deprecated: Gauge;
  /** By what makes their labels, which cost more to put together than to count. */
  private readonly known = new Map<string, KnownRequests>();

  constructor(registry: MetricsRegistry, limit: RequestLimit) {
    this.total = registry.counter(
      "apiserver_request_total",
      "Requests that were answered, by what they asked for and the code of the answer.",
    );
    this.duration = registry.histogram("apiserver_request_duration_seconds", "Seconds that requests took.", SECONDS);
    this.sli = registry.histogram(
      "apiserver_request_sli_duration_seconds",
      "Seconds that requests took once their turn had come.",
      SLI_SECONDS,
    );
    this.sizes = registry.histogram("apiserver_response_sizes", "Bytes of the answers' bodies.", BYTES);
    this.terminations = registry.counter(
      "apiserver_request_terminations_total",
      "Requests that were ended to protect the server.",
    );
    this.deprecated = registry.gauge(
      "apiserver_requested_deprecated_apis",
      "1 for each deprecated API that somebody has asked for, with the release that will lack it.",
    );
    this.longRunning = registry.gauge(
      "apiserver_longrunning_requests",
      "Watches and other long requests that are open.",
    );
    registry.observedGauge(
      "apiserver_current_inflight_requests",
      "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.",
      () => perKind(limit.current()),
    );
    registry.observedGauge(
      "apiserver_current_inqueue_requests",
      "The most requests that waited at once within the last second, by kind.",
      () => perKind(limit.inQueue()),
    );
  }

  record(exchange: Exchange, { code, seconds, bytes, served }: RequestOutcome): void {
    const known = this.knownOf(exchange, served);
    known.duration.observe(seconds);
    let total = known.byCode.get(code);
    if (!total) {
      total = this.total.of(sorted({ ...known.withDryRun, code: String(code) }));
      known.byCode.set(code, total);
    }
    total.inc();
    known.sli?.observe(seconds - exchange.waitedMs / 1000);
    if (bytes !== undefined) known.sizes?.observe(bytes);
    if (exchange.removedRelease !== undefined && served) this.countDeprecated(exchange.info, exchange.removedRelease);
  }

  /** The server ended it to protect itself: it was too much (429), or took too long (504). */
  terminated(exchange: Exchange, code: number, served: boolean): void {
    this.terminations.inc(sorted({ ...this.knownOf(exchange, served).base, code: String(code) }));
  }

  /** Counts it while it lasts; returns what to call at its end. */
  lasting(exchange: Exchange): () => void {
    const { base } = this.knownOf(exchange, true);
    this.longRunning.inc(base, 1);
    return () => this.longRunning.inc(base, -1);
  }

  private countDeprecated({ group, version, resource, subresource }: RequestInfo, removedRelease: string): void {
    this.deprecated.set(1, { group, removed_release: removedRelease, resource, subresource, version });
  }

  private knownOf(exchange: Exchange, served: boolean): KnownRequests {
    const { info } = exchange;
    const verb = verbOf(exchange);
    const dryRun = dryRunOf(exchange.query);
    const scope = scopeOf(info);
    const place = served ? `${info.group}/${info.version}/${info.resource}/${info.subresource}` : "";
    const key = `${verb} ${dryRun} ${scope} ${place}`;
    const known = this.known.get(key);
    if (known) return known;
    const base = baseLabels(info, verb, scope, served);
    const withDryRun = sorted({ ...base, dry_run: dryRun });
    const made: KnownRequests = {
      base: keptLabels(base),
      withDryRun,
      duration: this.duration.of(withDryRun),
      sli: dryRun === "" ? this.sli.of(base) : undefined,
      sizes: verb === "GET" || verb === "LIST" ? this.sizes.of(base) : undefined,
      byCode: new Map(),
    };
    this.known.set(key, made);
    return made;
  }
}

/** In this order, which is alphabetical, as upstream prints them. */
function baseLabels(info: RequestInfo, verb: string, scope: string, served: boolean): Labels {
  return {
    component: "apiserver",
    group: served ? info.group : "",
    resource: served ? info.resource : "",
    scope,
    subresource: served && info.isResourceRequest ? info.subresource : "",
    verb,
    version: served ? info.version : "",
  };
}

function sorted(labels: Record<string, string>): Labels {
  return Object.fromEntries(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function* perKind(counts: PerKind) {
  for (const kind of ["mutating", "readOnly"] as const) yield { labels: { request_kind: kind }, value: counts[kind] };
}

/** A Map, for the verb of a plain path is the client's word. */
const VERBS: ReadonlyMap<string, string> = new Map([
  ["get", "GET"],
  ["list", "LIST"],
  ["watch", "WATCH"],
  ["create", "POST"],
  ["post", "POST"],
  ["update", "PUT"],
  ["put", "PUT"],
  ["patch", "PATCH"],
  ["delete", "DELETE"],
  // Upstream's verb here is the method's.
  ["deletecollection", "DELETE"],
]);
const CONNECT_SUBRESOURCES: ReadonlySet<string> = new Set(["log", "exec", "portforward", "attach", "proxy"]);

function verbOf({ info, raw }: Exchange): string {
  if (info.isResourceRequest && CONNECT_SUBRESOURCES.has(info.subresource)) return "CONNECT";
  if (info.verb === "patch" && raw.headers["content-type"] === "application/apply-patch+yaml") return "APPLY";
  return VERBS.get(info.verb) ?? "other";
}

function dryRunOf(query: URLSearchParams): string {
  if (query.size === 0) return "";
  const asked = query.getAll("dryRun");
  if (asked.length === 0) return "";
  return asked.every((value) => value === "All") ? "All" : "invalid";
}

/** Upstream's label: one object, one namespace, or all. */
function scopeOf(info: RequestInfo): string {
  if (!info.isResourceRequest) return "";
  if (info.name || info.verb === "create") return "resource";
  return info.namespace ? "namespace" : "cluster";
}

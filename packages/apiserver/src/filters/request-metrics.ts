// Upstream's request metrics, and the request log.
import {
  type Counter,
  type Gauge,
  type Histogram,
  keptLabels,
  type Labels,
  type MetricsRegistry,
} from "@skiff/component-base/metrics.ts";
import type { RequestInfo } from "../http/request-info.ts";
import type { RequestLimit } from "./in-flight.ts";

/** Names and labels are upstream's, so that its dashboards and alerts work. */
export class RequestMetrics {
  readonly longRunning: Gauge;
  private readonly total: Counter;
  private readonly duration: Histogram;
  /** By what makes them, for labels cost more to put together than to count. */
  private readonly known = new Map<string, { base: Labels; byCode: Map<number, Labels> }>();

  constructor(registry: MetricsRegistry, limit: RequestLimit) {
    this.total = registry.counter(
      "apiserver_request_total",
      "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.",
    );
    this.duration = registry.histogram(
      "apiserver_request_duration_seconds",
      "Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.",
    );
    this.longRunning = registry.gauge(
      "apiserver_longrunning_requests",
      "Gauge of all active long-running apiserver requests broken out by verb, resource and subresource.",
    );
    registry.observedGauge(
      "apiserver_current_inflight_requests",
      "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.",
      () => limit.current(),
    );
  }

  /** `served` is false for paths and resources that do not exist: their names are the client's and unbounded. */
  record(info: RequestInfo, code: number, seconds: number, served: boolean): void {
    const verb = VERBS.get(info.verb) ?? "other";
    const scope = scopeOf(info);
    const place = served ? `${info.group}/${info.version}/${info.resource}/${info.subresource}` : "";
    const key = `${verb} ${scope} ${place}`;
    let labels = this.known.get(key);
    if (!labels) {
      labels = { base: keptLabels(labelsOf(info, verb, scope, served)), byCode: new Map() };
      this.known.set(key, labels);
    }
    this.duration.observe(seconds, labels.base);
    let withCode = labels.byCode.get(code);
    if (!withCode) {
      withCode = keptLabels({ ...labels.base, code: String(code) });
      labels.byCode.set(code, withCode);
    }
    this.total.inc(withCode);
  }
}

/** In this order, which is alphabetical, as upstream prints them. */
function labelsOf(info: RequestInfo, verb: string, scope: string, served: boolean): Labels {
  return {
    component: "apiserver",
    dry_run: "",
    group: served ? info.group : "",
    resource: served ? info.resource : "",
    scope,
    subresource: served && info.isResourceRequest ? info.subresource : "",
    verb,
    version: served ? info.version : "",
  };
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
  ["deletecollection", "DELETECOLLECTION"],
]);

/** Upstream's label: one object, one namespace, or all. */
function scopeOf(info: RequestInfo): string {
  if (!info.isResourceRequest) return "";
  if (info.name) return "resource";
  return info.namespace ? "namespace" : "cluster";
}

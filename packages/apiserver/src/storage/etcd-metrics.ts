// Upstream's metrics of the calls to etcd, by what is done with which resource.
import {
  type Counter,
  type Histogram,
  keptLabels,
  type Labels,
  type MetricsRegistry,
} from "@skiff/component-base/metrics.ts";

type ResourceOf = (key: string) => { readonly group: string; readonly resource: string };

// Those of requests, so that both can be laid over each other.
const SECONDS = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];
/** No directory's name is longer. */
const HEAD_BYTES = 120;

export class EtcdMetrics {
  private readonly prefixLength: number;
  private readonly resourceOf: ResourceOf;
  private readonly latency: Histogram;
  private readonly total: Counter;
  private readonly errors: Counter;
  /** Labels cost more to put together than to count. */
  private readonly known = new Map<string, Labels>();

  constructor(metrics: MetricsRegistry, prefix: string, resourceOf: ResourceOf = () => NOTHING) {
    this.prefixLength = prefix.length + 1;
    this.resourceOf = resourceOf;
    this.latency = metrics.histogram(
      "etcd_request_duration_seconds",
      "Seconds that calls to etcd took, by what they did with which resource.",
      SECONDS,
    );
    this.total = metrics.counter("etcd_requests_total", "Calls to etcd, by what they did with which resource.");
    this.errors = metrics.counter(
      "etcd_request_errors_total",
      "Calls to etcd that failed, by what they did with which resource.",
    );
  }

  /** `key` is undefined for what concerns no key. */
  called(operation: string, key: Uint8Array | undefined, seconds: number, failed: boolean): void {
    const { group, resource } = key ? this.resourceOf(this.headOf(key)) : NOTHING;
    const id = `${operation} ${group} ${resource}`;
    let labels = this.known.get(id);
    if (!labels) {
      labels = keptLabels({ group, operation, resource });
      this.known.set(id, labels);
    }
    this.latency.observe(seconds, labels);
    this.total.inc(labels);
    if (failed) this.errors.inc(labels);
  }

  private headOf(key: Uint8Array): string {
    const end = Math.min(key.length, this.prefixLength + HEAD_BYTES);
    return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1", this.prefixLength, end);
  }
}

const NOTHING = { group: "", resource: "" };

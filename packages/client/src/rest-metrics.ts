// Upstream's rest_client_* metrics.
import type { Counter, Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";

/** Labels are the method and the host, never the path: the paths of objects have no end. */
export class RestMetrics {
  private readonly requests: Counter;
  private readonly durations: Histogram;

  constructor(registry: MetricsRegistry) {
    this.requests = registry.counter(
      "rest_client_requests_total",
      "Number of HTTP requests, partitioned by status code, method, and host.",
    );
    this.durations = registry.histogram(
      "rest_client_request_duration_seconds",
      "Request latency in seconds. Broken down by verb, and host.",
    );
  }

  /** `code` is the HTTP status, or `<error>` when there was no answer. */
  observe(method: string, host: string, code: string, seconds: number): void {
    this.requests.inc({ code, host, method });
    this.durations.observe(seconds, { host, verb: method });
  }
}

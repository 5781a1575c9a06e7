// Upstream's metrics of watches: events and their sizes, and how long the first state of a streamed list took.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Counter, Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { RequestInfo } from "../http/request-info.ts";

/** Told by one watch as it sends. */
export interface WatchMeter {
  sent(bytes: number): void;
  /** The whole state that the watch began with is out. */
  initialSent(): void;
}

// Upstream's.
const BYTES = Array.from({ length: 8 }, (_, i) => 1024 * 2 ** i);
const SECONDS = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 15, 20, 30, 45, 60];

export class WatchMetrics {
  private readonly clock: Clock;
  private readonly events: Counter;
  private readonly sizes: Histogram;
  private readonly lists: Histogram;

  constructor(metrics: MetricsRegistry, clock: Clock) {
    this.clock = clock;
    this.events = metrics.counter("apiserver_watch_events_total", "Events that watches were sent");
    this.sizes = metrics.histogram("apiserver_watch_events_sizes", "Bytes of the events that watches were sent", BYTES);
    this.lists = metrics.histogram(
      "apiserver_watch_list_duration_seconds",
      "Seconds until a watch had told its first state.",
      SECONDS,
    );
  }

  meter({ group, version, resource, namespace }: RequestInfo): WatchMeter {
    const start = this.clock.monotonic();
    const labels = { group, resource, version };
    const [events, sizes] = [this.events.of(labels), this.sizes.of(labels)];
    return {
      sent: (bytes) => {
        events.inc();
        sizes.observe(bytes);
      },
      initialSent: () => {
        const scope = namespace ? "namespace" : "cluster";
        this.lists.observe((this.clock.monotonic() - start) / 1000, { group, resource, scope, version });
      },
    };
  }
}

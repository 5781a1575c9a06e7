// Upstream's workqueue_* metrics, for all queues of a program.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";

/** Upstream's: powers of ten from 10 ns to 10 s. */
const BUCKETS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10];

/** What one queue reports. */
export interface QueueMetrics {
  added(key: string): void;
  taken(key: string): void;
  done(key: string): void;
  retried(): void;
}

/** Make one per program and give it to every queue. */
export class WorkQueueMetrics {
  private readonly clock: Pick<Clock, "monotonic">;
  private readonly depths = new Map<string, () => number>();
  private readonly started = new Map<string, Map<string, number>>();
  private readonly instruments;

  constructor(registry: MetricsRegistry, clock: Pick<Clock, "monotonic">) {
    this.clock = clock;
    this.instruments = {
      adds: registry.counter("workqueue_adds_total", "Total number of adds handled by workqueue"),
      retries: registry.counter("workqueue_retries_total", "Total number of retries handled by workqueue"),
      waits: registry.histogram(
        "workqueue_queue_duration_seconds",
        "How long in seconds an item stays in workqueue before being requested.",
        BUCKETS,
      ),
      works: registry.histogram(
        "workqueue_work_duration_seconds",
        "How long in seconds processing an item from workqueue takes.",
        BUCKETS,
      ),
    };
    registry.observedGauge("workqueue_depth", "Current depth of workqueue", () =>
      [...this.depths].map(([name, depth]) => ({ labels: { name }, value: depth() })),
    );
    registry.observedGauge(
      "workqueue_unfinished_work_seconds",
      "How many seconds of work has done that is in progress and hasn't been observed by work_duration.",
      () => [...this.started].map(([name, running]) => ({ labels: { name }, value: this.unfinished(running) })),
    );
  }

  /** The reports of the queue `name`, a label that must be unique; `depth` is read when metrics are scraped. */
  of(name: string, depth: () => number): QueueMetrics {
    const labels = { name };
    const addedAt = new Map<string, number>();
    const startedAt = new Map<string, number>();
    this.depths.set(name, depth);
    this.started.set(name, startedAt);
    const now = () => this.clock.monotonic() / 1000;
    const { adds, retries, waits, works } = this.instruments;
    return {
      added(key) {
        adds.inc(labels);
        addedAt.set(key, now());
      },
      taken(key) {
        waits.observe(now() - (addedAt.get(key) ?? now()), labels);
        addedAt.delete(key);
        startedAt.set(key, now());
      },
      done(key) {
        works.observe(now() - (startedAt.get(key) ?? now()), labels);
        startedAt.delete(key);
      },
      retried: () => retries.inc(labels),
    };
  }

  private unfinished(running: ReadonlyMap<string, number>): number {
    let sum = 0;
    for (const startedAt of running.values()) sum += this.clock.monotonic() / 1000 - startedAt;
    return sum;
  }
}

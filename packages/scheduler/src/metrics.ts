// Upstream's scheduler_* metrics.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Counter, Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { SchedulerCache } from "./cache/scheduler-cache.ts";
import type { QueuedPod } from "./queue/queued-pod.ts";
import type { SchedulingQueue } from "./queue/scheduling-queue.ts";

export type AttemptResult = "scheduled" | "unschedulable" | "error";

/** Upstream's label for the set of plugins; there is one set. */
const PROFILE = "default-scheduler";
/** From 1 ms, doubling, as upstream. */
const ATTEMPT_BUCKETS = Array.from({ length: 15 }, (_, step) => 0.001 * 2 ** step);
const E2E_BUCKETS = Array.from({ length: 20 }, (_, step) => 0.01 * 2 ** step);

/** Times are taken from the start of an attempt, or from when the pod was queued first. */
export class SchedulerMetrics {
  private readonly clock: Pick<Clock, "monotonic">;
  private readonly attempts: Counter;
  private readonly attemptSeconds: Histogram;
  private readonly algorithmSeconds: Histogram;
  private readonly endToEndSeconds: Histogram;
  private readonly podAttempts: Histogram;

  constructor(registry: MetricsRegistry, clock: Pick<Clock, "monotonic">) {
    this.clock = clock;
    this.attempts = registry.counter(
      "scheduler_schedule_attempts_total",
      "Number of attempts to schedule pods, by the result.",
    );
    this.attemptSeconds = registry.histogram(
      "scheduler_scheduling_attempt_duration_seconds",
      "Scheduling attempt latency in seconds (scheduling algorithm + binding).",
      ATTEMPT_BUCKETS,
    );
    this.algorithmSeconds = registry.histogram(
      "scheduler_scheduling_algorithm_duration_seconds",
      "Scheduling algorithm latency in seconds.",
      ATTEMPT_BUCKETS,
    );
    this.endToEndSeconds = registry.histogram(
      "scheduler_pod_scheduling_sli_duration_seconds",
      "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue.",
      E2E_BUCKETS,
    );
    this.podAttempts = registry.histogram(
      "scheduler_pod_scheduling_attempts",
      "Number of attempts to successfully schedule a pod.",
      [1, 2, 4, 8, 16],
    );
  }

  /** `startedAt` is monotonic, here and below. */
  attempted(result: AttemptResult, startedAt: number): void {
    const labels = { profile: PROFILE, result };
    this.attempts.inc(labels);
    this.attemptSeconds.observe(this.secondsSince(startedAt), labels);
  }

  /** The decision alone, without the binding. */
  decided(startedAt: number): void {
    this.algorithmSeconds.observe(this.secondsSince(startedAt));
  }

  bound(pod: QueuedPod, startedAt: number): void {
    this.attempted("scheduled", startedAt);
    this.podAttempts.observe(pod.attempts);
    this.endToEndSeconds.observe(this.secondsSince(pod.firstQueuedAt), { attempts: String(pod.attempts) });
  }

  private secondsSince(startedAt: number): number {
    return (this.clock.monotonic() - startedAt) / 1000;
  }
}

/** Gauges that are read when metrics are scraped. */
export function registerSizes(registry: MetricsRegistry, queue: SchedulingQueue, cache: SchedulerCache): void {
  registry.observedGauge("scheduler_pending_pods", "Number of pending pods, by the queue type.", () =>
    Object.entries(queue.sizes()).map(([name, value]) => ({ labels: { queue: name }, value })),
  );
  registry.observedGauge("scheduler_cache_size", "Number of nodes, pods, and assumed pods in the cache.", () => [
    { labels: { type: "nodes" }, value: cache.nodeCount },
    { labels: { type: "pods" }, value: cache.podCount },
    { labels: { type: "assumed_pods" }, value: cache.assumedCount },
  ]);
}

// The scheduler composed: informers, cache, queue, plugins, and the ports it serves.
import { nodes, pods } from "@skiff/api/resource-ref.ts";
import type { Node, Pod } from "@skiff/api/types.ts";
import { EventRecorder } from "@skiff/client/event-recorder.ts";
import { Informer } from "@skiff/client/informer.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { SchedulerCache } from "./cache/scheduler-cache.ts";
import { DecisionLog } from "./decision-log.ts";
import { handleEvents, SCHEDULER_NAME, UNFINISHED_PODS } from "./event-handlers.ts";
import { FailureReporter } from "./failure-reporter.ts";
import { Framework } from "./framework/framework.ts";
import { registerSizes, SchedulerMetrics } from "./metrics.ts";
import { DEFAULT_PLUGINS } from "./plugins/index.ts";
import { SchedulingQueue } from "./queue/scheduling-queue.ts";
import { Scheduler } from "./scheduler.ts";

export interface SchedulerServerDeps {
  readonly client: RestClient;
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  readonly log: Logger;
}

/** So long after a binding its kubelet is at work on the pod, perhaps on this very machine, and events can wait. */
const STARTING_MS = 2000;

/** Watches from the start, so that it can take over at once; schedules while it leads. */
export class SchedulerServer {
  readonly decisions: DecisionLog;
  private readonly deps: SchedulerServerDeps;
  private readonly pods: Informer<Pod>;
  private readonly nodes: Informer<Node>;
  private readonly cache: SchedulerCache;
  private readonly queue: SchedulingQueue;
  private readonly framework: Framework;
  private readonly schedulerMetrics: SchedulerMetrics;

  constructor(deps: SchedulerServerDeps) {
    this.deps = deps;
    const { client, clock, log, metrics } = deps;
    this.framework = new Framework(DEFAULT_PLUGINS, { client });
    this.cache = new SchedulerCache(clock);
    this.queue = new SchedulingQueue(this.framework, {}, clock);
    this.decisions = new DecisionLog(clock);
    this.pods = new Informer(
      client.of(pods),
      { fieldSelector: UNFINISHED_PODS, transform: withoutManagedFields },
      { clock, log },
    );
    this.nodes = new Informer(client.of(nodes), { transform: withoutManagedFields }, { clock, log });
    // Nodes first: pods that find no node are refused, and come back only after their back-off.
    handleEvents({ pods: this.pods, nodes: this.nodes }, { cache: this.cache, queue: this.queue });
    this.schedulerMetrics = new SchedulerMetrics(metrics, clock);
    registerSizes(metrics, this.queue, this.cache);
  }

  /** Keeps the cache and the queue up to date until the signal aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    await Promise.all([this.nodes.run(signal), this.pods.run(signal)]);
  }

  /** Schedules until the signal aborts. */
  async lead(signal: AbortSignal): Promise<void> {
    const { client, clock, log } = this.deps;
    // Of this term: what the last one had left to say was said or dropped at its end.
    await using events = new EventRecorder(client, { component: SCHEDULER_NAME }, { clock, log });
    let boundAt = Number.NEGATIVE_INFINITY;
    events.isBusy = () => clock.monotonic() - boundAt < STARTING_MS;
    const failures = new FailureReporter({ client, lister: this.pods.lister, events, clock, log });
    const scheduler = new Scheduler({
      framework: this.framework,
      cache: this.cache,
      queue: this.queue,
      pods: this.pods.lister,
      failures,
      decisions: this.decisions,
      metrics: this.schedulerMetrics,
      onBound: (pod, node) => {
        boundAt = clock.monotonic();
        const { namespace, name } = pod.metadata;
        const message = `Successfully assigned ${namespace}/${name} to ${node}`;
        events.record({ ref: pods, object: pod }, "Normal", "Scheduled", message);
      },
      clock,
      log,
    });
    // A cache that lacks pods would give their room away.
    await Promise.all([this.nodes.synced(signal), this.pods.synced(signal)]);
    log.info("scheduling");
    await Promise.all([scheduler.run(signal), failures.run(signal)]);
  }
}

/** Nobody here asks who owns which field, and it is half of a pod's size. */
function withoutManagedFields<T extends Pod | Node>(object: T): T {
  delete object.metadata.managedFields;
  return object;
}

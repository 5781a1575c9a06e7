// The scheduling loop: takes a pod from the queue, decides, and lets it be bound while the next one is decided.
import { setImmediate } from "node:timers/promises";
import type { Pod } from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { newTraceId, withTrace } from "@skiff/component-base/trace.ts";
import { Binder } from "./bind.ts";
import type { SchedulerCache } from "./cache/scheduler-cache.ts";
import type { Decision } from "./decision.ts";
import type { DecisionLog } from "./decision-log.ts";
import { isOurs } from "./event-handlers.ts";
import type { FailureReporter } from "./failure-reporter.ts";
import { CycleState } from "./framework/cycle-state.ts";
import type { Framework } from "./framework/framework.ts";
import { podInfoOf } from "./framework/pod-info.ts";
import type { AttemptResult, SchedulerMetrics } from "./metrics.ts";
import { NodeFinder } from "./node-finder.ts";
import type { QueuedPod } from "./queue/queued-pod.ts";
import type { SchedulingQueue } from "./queue/scheduling-queue.ts";

export interface SchedulerDeps {
  readonly framework: Framework;
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
  readonly pods: Lister<Pod>;
  readonly failures: FailureReporter;
  readonly decisions: DecisionLog;
  readonly metrics: SchedulerMetrics;
  readonly onBound: (pod: Readonly<Pod>, nodeName: string) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Bindings under way at once; beyond them decisions wait, so that a slow apiserver does not pile up assumed pods. */
const MAX_BINDINGS = 100;
/** So long the loop may keep the thread before requests and events get a turn. */
const TURN_MS = 5;

/** One decision at a time, so that two pods are never given the same room; bindings overlap freely. */
export class Scheduler {
  private readonly deps: SchedulerDeps;
  private readonly finder: NodeFinder;
  private readonly binder: Binder;
  private readonly bindings = new Set<Promise<void>>();

  constructor(deps: SchedulerDeps) {
    this.deps = deps;
    this.finder = new NodeFinder(deps.framework);
    this.binder = new Binder(deps);
  }

  /** Schedules until the signal aborts, then resolves when the bindings under way have ended. */
  async run(signal: AbortSignal): Promise<void> {
    const chores = [
      this.every(1000, signal, () => this.deps.queue.flushBackoff()),
      this.every(30_000, signal, () => this.deps.queue.flushUnschedulable()),
      this.every(30_000, signal, () => this.expireAssumed()),
    ];
    try {
      await this.scheduleAll(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    await Promise.all([...chores, ...this.bindings]);
  }

  private async scheduleAll(signal: AbortSignal): Promise<void> {
    let turnStartedAt = this.deps.clock.monotonic();
    for (;;) {
      // Before the pop: whoever is most urgent once there is room goes first.
      while (this.bindings.size >= MAX_BINDINGS) await Promise.race(this.bindings);
      const pod = await this.deps.queue.pop(signal);
      withTrace(newTraceId(), () => this.scheduleOne(pod, signal));
      if (this.deps.clock.monotonic() - turnStartedAt < TURN_MS) continue;
      await setImmediate();
      turnStartedAt = this.deps.clock.monotonic();
    }
  }

  /** One cycle. Nothing in it waits: a binding goes on by itself. */
  private scheduleOne(queued: QueuedPod, signal: AbortSignal): void {
    const startedAt = this.deps.clock.monotonic();
    if (this.isSettled(queued)) {
      this.deps.queue.done(queued.info.key);
      return;
    }
    const state = new CycleState();
    let decision: Decision;
    try {
      decision = this.finder.decide(state, queued.info, this.deps.cache.snapshot());
    } catch (error) {
      this.failed(queued, error, startedAt);
      return;
    }
    this.deps.metrics.decided(startedAt);
    this.deps.decisions.keep(queued.info.key, decision);
    if (decision.nodeName === undefined) this.refused(queued, decision, startedAt);
    else this.startBinding(state, queued, decision.nodeName, startedAt, signal);
  }

  private startBinding(
    state: CycleState,
    queued: QueuedPod,
    nodeName: string,
    startedAt: number,
    signal: AbortSignal,
  ): void {
    // Before anything is awaited: the next decision must see the room as taken.
    this.deps.cache.assume(queued.info, nodeName);
    const binding = this.binder
      .bind(state, queued.info, nodeName, signal)
      .then((refusal) => {
        if (refusal) this.refused(queued, refusal, startedAt);
        else this.bound(queued, nodeName, startedAt);
      })
      // After a stop another scheduler may lead already: nothing is said about the pod any more.
      .catch((error: unknown) => this.failed(queued, error, startedAt, signal))
      .finally(() => this.bindings.delete(binding));
    this.bindings.add(binding);
  }

  /** The pod was deleted or bound, or is on its way out, so there is nothing to decide. */
  private isSettled({ info }: QueuedPod): boolean {
    const { namespace = "", name, uid } = info.pod.metadata;
    const current = this.deps.pods.get(namespace, name);
    if (current?.metadata.uid !== uid) return true;
    return Boolean(current.spec.nodeName || current.metadata.deletionTimestamp) || this.deps.cache.isAssumed(info.key);
  }

  private bound(queued: QueuedPod, nodeName: string, startedAt: number): void {
    const { info } = queued;
    this.deps.cache.finishBinding(info.key);
    this.deps.queue.done(info.key);
    this.deps.onBound(info.pod, nodeName);
    this.deps.metrics.bound(queued, startedAt);
    this.deps.log.info({ pod: info.key, node: nodeName }, "bound pod");
    this.requeueSuccessor(queued);
  }

  private refused(
    queued: QueuedPod,
    refusal: { readonly message: string; readonly refusedBy: ReadonlySet<string> },
    startedAt: number,
  ): void {
    this.deps.log.debug({ pod: queued.info.key, reason: refusal.message }, "pod cannot be scheduled");
    this.observe("unschedulable", startedAt);
    // The queue first, then the report: the pod must wait somewhere even if telling of it fails.
    if (!this.refresh(queued)) return;
    this.deps.queue.addUnschedulable(queued, refusal.refusedBy);
    this.deps.failures.report(queued.info.pod, "Unschedulable", refusal.message);
  }

  private failed(queued: QueuedPod, error: unknown, startedAt: number, signal?: AbortSignal): void {
    if (signal?.aborted) return;
    this.deps.log.warn({ pod: queued.info.key, err: error }, "scheduling failed, retrying");
    this.observe("error", startedAt);
    if (!this.refresh(queued)) return;
    this.deps.queue.addFailed(queued);
    const message = error instanceof Error ? error.message : String(error);
    this.deps.failures.report(queued.info.pod, "SchedulerError", message);
  }

  private observe(result: AttemptResult, startedAt: number): void {
    this.deps.metrics.attempted(result, startedAt);
  }

  /** Brings the pod up to date before it is queued again; false when it needs no scheduling any more. */
  private refresh(queued: QueuedPod): boolean {
    const { namespace = "", name, uid } = queued.info.pod.metadata;
    const current = this.deps.pods.get(namespace, name);
    if (current && current.metadata.uid === uid && !current.spec.nodeName) {
      queued.info = podInfoOf(current);
      return true;
    }
    this.deps.queue.done(queued.info.key);
    this.requeueSuccessor(queued);
    return false;
  }

  /** A new pod may have come under the name while the old one was in flight; it was not queued then. */
  private requeueSuccessor({ info }: QueuedPod): void {
    const { namespace = "", name, uid } = info.pod.metadata;
    const current = this.deps.pods.get(namespace, name);
    if (current && current.metadata.uid !== uid && !current.spec.nodeName && isOurs(current)) {
      this.deps.queue.add(current);
    }
  }

  /** A watch that lost the confirmation would else keep room on a node taken for ever. */
  private expireAssumed(): void {
    for (const pod of this.deps.cache.expireAssumed()) {
      this.deps.log.warn({ pod }, "bound pod was never seen on its node, giving it up");
    }
  }

  private async every(ms: number, signal: AbortSignal, work: () => void): Promise<void> {
    while (!signal.aborted) {
      await this.deps.clock.sleep(ms, signal).catch(() => {});
      if (!signal.aborted) work();
    }
  }
}

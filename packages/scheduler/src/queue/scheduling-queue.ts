// Which pod to try next: ready ones by priority, failed ones after their back-off, hopeless ones when something changed.
import type { Pod } from "@skiff/api/types.ts";
import { Heap } from "@skiff/client/heap.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { ClusterEvent } from "../framework/cluster-event.ts";
import type { Framework } from "../framework/framework.ts";
import { podInfoOf } from "../framework/pod-info.ts";
import { EventHistory } from "./event-history.ts";
import type { QueuedPod } from "./queued-pod.ts";

export interface SchedulingQueueOptions {
  /** After the first failed try; doubles up to the other. Upstream's podInitialBackoffSeconds (1) and podMaxBackoffSeconds (10). */
  readonly initialBackoffMs?: number;
  readonly maxBackoffMs?: number;
  /** How long a pod that fits nowhere waits for an event before it is tried all the same (podMaxInUnschedulablePodsDuration). */
  readonly maxUnschedulableMs?: number;
}

/** The part of the framework that the queue asks. */
export type QueueRules = Pick<Framework, "compareInQueue" | "preEnqueue" | "isWorthATry" | "isHeeded">;

/**
 * A pod is in one of the three places or in flight, never in two: `active` is ready to be tried, `backoff` waits for a time,
 * `unschedulable` for an event (or for its gates to open). Bounded by the pods of the cluster that have no node.
 */
export class SchedulingQueue {
  private readonly rules: QueueRules;
  private readonly clock: Pick<Clock, "monotonic">;
  private readonly options: Required<SchedulingQueueOptions>;
  private readonly active: Heap<QueuedPod>;
  private readonly backoff: Heap<QueuedPod>;
  private readonly unschedulable = new Map<string, QueuedPod>();
  /** Pods being scheduled or bound, and what happened since they were taken. */
  private readonly inFlight = new EventHistory();
  private wake: (() => void) | undefined;

  constructor(rules: QueueRules, options: SchedulingQueueOptions, clock: Pick<Clock, "monotonic">) {
    this.rules = rules;
    this.clock = clock;
    this.options = { initialBackoffMs: 1000, maxBackoffMs: 10_000, maxUnschedulableMs: 5 * 60_000, ...options };
    const keyOf = (pod: QueuedPod) => pod.info.key;
    this.active = new Heap(keyOf, (a, b) => rules.compareInQueue(a, b));
    this.backoff = new Heap(keyOf, (a, b) => this.backoffEnd(a) - this.backoffEnd(b));
  }

  /** Upstream's scheduler_pending_pods by queue. */
  sizes(): { active: number; backoff: number; unschedulable: number; gated: number } {
    let gated = 0;
    for (const pod of this.unschedulable.values()) if (pod.gatedBy) gated++;
    const unschedulable = this.unschedulable.size - gated;
    return { active: this.active.size, backoff: this.backoff.size, unschedulable, gated };
  }

  /** A pod without a node, seen for the first time. */
  add(pod: Readonly<Pod>): void {
    const now = this.clock.monotonic();
    const info = podInfoOf(pod);
    if (this.find(info.key) || this.inFlight.has(info.key)) {
      this.update(pod);
      return;
    }
    const queued = { info, attempts: 0, queuedAt: now, firstQueuedAt: now, refusedBy: NONE, gatedBy: undefined };
    this.activate(queued);
  }

  /** The pod has changed; `mayMatter` is false for changes of its status alone. */
  update(pod: Readonly<Pod>, mayMatter = true): void {
    const info = podInfoOf(pod);
    const event: ClusterEvent = { name: "Pod/Update", pod: info };
    const queued = this.find(info.key);
    if (!queued) {
      if (mayMatter) this.inFlight.note(event, info.key);
      return;
    }
    queued.info = info;
    // Put anew: its priority may have changed its place.
    if (this.active.has(info.key)) this.active.put(queued);
    else if (!mayMatter || this.backoff.has(info.key)) return;
    else if (queued.gatedBy || this.rules.isWorthATry(queued, event)) this.requeue(queued);
  }

  /** The pod is gone, or bound. */
  remove(key: string): void {
    this.active.remove(key);
    this.backoff.remove(key);
    this.unschedulable.delete(key);
  }

  /** The next pod; call `done` when it is bound or put back. Rejects with the signal's reason. */
  async pop(signal: AbortSignal): Promise<QueuedPod> {
    for (;;) {
      signal.throwIfAborted();
      // Else a pod whose back-off has just ended would wait for the next second's flush behind lesser ones.
      this.flushBackoff();
      const next = this.active.pop();
      if (next) {
        next.attempts++;
        this.inFlight.start(next.info.key);
        return next;
      }
      await this.changed(signal);
    }
  }

  /** The pod is no longer being scheduled or bound. */
  done(key: string): void {
    this.inFlight.end(key);
  }

  /** Puts back a pod that fits nowhere. It waits for an event that concerns those who refused it. */
  addUnschedulable(pod: QueuedPod, refusedBy: ReadonlySet<string>): void {
    const { key } = pod.info;
    pod.refusedBy = refusedBy;
    pod.queuedAt = this.clock.monotonic();
    // What happened while it was tried may have been what it waits for.
    const missed = this.inFlight.since(key).some((event) => this.rules.isWorthATry(pod, event));
    this.inFlight.end(key);
    if (missed) this.requeue(pod);
    else this.unschedulable.set(key, pod);
  }

  /** Puts back a pod whose try failed for reasons that are not its own. */
  addFailed(pod: QueuedPod): void {
    pod.refusedBy = NONE;
    pod.queuedAt = this.clock.monotonic();
    this.inFlight.end(pod.info.key);
    this.requeue(pod);
  }

  /** Brings back the pods that may fit after the event. */
  move(event: ClusterEvent): void {
    if (!this.rules.isHeeded(event.name)) return;
    this.inFlight.note(event);
    for (const pod of [...this.unschedulable.values()]) {
      if (!pod.gatedBy && this.rules.isWorthATry(pod, event)) this.requeue(pod);
    }
  }

  /** Wakes pods whose back-off has ended; call it every second. */
  flushBackoff(): void {
    const now = this.clock.monotonic();
    for (let next = this.backoff.peek(); next && this.backoffEnd(next) <= now; next = this.backoff.peek()) {
      this.backoff.pop();
      this.activate(next);
    }
  }

  /** Tries again what waited too long for an event; call it every 30 seconds. */
  flushUnschedulable(): void {
    const longAgo = this.clock.monotonic() - this.options.maxUnschedulableMs;
    for (const pod of [...this.unschedulable.values()]) {
      if (!pod.gatedBy && pod.queuedAt <= longAgo) this.requeue(pod);
    }
  }

  /** To where it can be tried from: at once, or when its back-off has ended. */
  private requeue(pod: QueuedPod): void {
    this.unschedulable.delete(pod.info.key);
    if (this.backoffEnd(pod) > this.clock.monotonic()) this.backoff.put(pod);
    else this.activate(pod);
  }

  /** Asks PreEnqueue first: a gated pod waits without taking part in anything. */
  private activate(pod: QueuedPod): void {
    pod.gatedBy = this.rules.preEnqueue(pod.info);
    if (pod.gatedBy) {
      this.unschedulable.set(pod.info.key, pod);
      return;
    }
    this.unschedulable.delete(pod.info.key);
    this.active.put(pod);
    this.wake?.();
  }

  /** The back-off doubles with each attempt. */
  private backoffEnd(pod: QueuedPod): number {
    // Never tried, so it has done nothing to wait for: gated pods come here when their gates open.
    if (pod.attempts === 0) return 0;
    const { initialBackoffMs, maxBackoffMs } = this.options;
    return pod.queuedAt + Math.min(initialBackoffMs * 2 ** Math.min(pod.attempts - 1, 30), maxBackoffMs);
  }

  private find(key: string): QueuedPod | undefined {
    return this.active.get(key) ?? this.backoff.get(key) ?? this.unschedulable.get(key);
  }

  /** Resolves when a pod becomes active. There is one reader of the queue, so one waiter is enough. */
  private async changed(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    this.wake = resolve;
    try {
      await promise;
    } finally {
      this.wake = undefined;
      signal.removeEventListener("abort", onAbort);
    }
  }
}

const NONE: ReadonlySet<string> = new Set();

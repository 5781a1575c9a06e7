// The queue between events and control loops: each key once, never worked on twice at once, failures delayed.
import type { Clock } from "@skiff/component-base/clock.ts";
import { Fifo } from "./fifo.ts";
import { Heap } from "./heap.ts";
import type { TokenBucketOptions } from "./token-bucket.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { QueueMetrics, WorkQueueMetrics } from "./work-queue-metrics.ts";

export interface WorkQueueOptions {
  /** Label of the metrics. */
  readonly name?: string;
  /** First delay of a failed key; it doubles with each failure. */
  readonly baseDelayMs?: number;
  /** A key that fails for hours is tried at least this often. */
  readonly maxDelayMs?: number;
  /** For all retries together. */
  readonly overall?: TokenBucketOptions;
}

interface Delayed<K> {
  readonly key: K;
  readonly readyAt: number;
}

/**
 * client-go's semantics. A key added while it waits is there once; added while it is worked on, it comes again after `done`. Its size is
 * bounded by the number of different keys, that is by the caches that feed it.
 */
export class WorkQueue<K extends string = string> implements Disposable {
  private readonly clock: Clock;
  private readonly metrics: QueueMetrics | undefined;
  private readonly baseDelayMs: number;
  private readonly maxDelayMs: number;
  private readonly bucket: TokenBucket;
  private readonly waiting = new Set<K>();
  /** The waiting keys in order. (Taking the first of a large Set again and again is slow.) */
  private readonly order = new Fifo<K>();
  private readonly processing = new Set<K>();
  /** Keys that were added again while being worked on. */
  private readonly again = new Set<K>();
  private readonly delayed = new Heap<Delayed<K>>(
    (entry) => entry.key,
    (a, b) => a.readyAt - b.readyAt,
  );
  private readonly failures = new Map<K, number>();
  private readonly getters = new Set<() => void>();
  private timer: Disposable | undefined;

  constructor(options: WorkQueueOptions, deps: { readonly clock: Clock; readonly metrics?: WorkQueueMetrics }) {
    this.clock = deps.clock;
    // client-go's DefaultTypedControllerRateLimiter: 5 ms to 1000 s for each key, 10 retries a second for all, 100 at once.
    this.baseDelayMs = options.baseDelayMs ?? 5;
    this.maxDelayMs = options.maxDelayMs ?? 1_000_000;
    this.bucket = new TokenBucket(options.overall ?? { perSecond: 10, burst: 100 }, deps.clock);
    this.metrics = deps.metrics?.of(options.name ?? "", () => this.size);
  }

  /** Keys that wait to be handed out. */
  get size(): number {
    return this.waiting.size;
  }

  /** Failures of the key since it was last forgotten. */
  retries(key: K): number {
    return this.failures.get(key) ?? 0;
  }

  /** Puts the key in line. While it is being worked on it is only noted: the pass may have read what is old by now. */
  add(key: K): void {
    if (this.waiting.has(key) || this.again.has(key)) return;
    this.metrics?.added(key);
    if (this.processing.has(key)) this.again.add(key);
    else this.enqueue(key);
  }

  /** Adds the key in `ms`, or sooner if an earlier call said so. */
  addAfter(key: K, ms: number): void {
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const readyAt = this.clock.monotonic() + ms;
    if ((this.delayed.get(key)?.readyAt ?? Number.POSITIVE_INFINITY) <= readyAt) return;
    this.delayed.put({ key, readyAt });
    this.arm();
  }

  /** Adds the key once its own back-off and the overall rate allow. */
  addRateLimited(key: K): void {
    const failures = this.retries(key);
    this.failures.set(key, failures + 1);
    this.metrics?.retried();
    const ownMs = Math.min(this.baseDelayMs * 2 ** Math.min(failures, 60), this.maxDelayMs);
    this.addAfter(key, Math.max(ownMs, this.bucket.reserve()));
  }

  /** Ends the key's back-off: it succeeded, or nobody will retry it. */
  forget(key: K): void {
    this.failures.delete(key);
  }

  /** The next key; call `done` when it is worked off. Rejects with the signal's reason. */
  async get(signal: AbortSignal): Promise<K> {
    for (;;) {
      signal.throwIfAborted();
      const key = this.take();
      if (key !== undefined) return key;
      await this.woken(signal);
    }
  }

  /** Ends the work on a key that `get` handed out. Another call does nothing. */
  done(key: K): void {
    if (!this.processing.delete(key)) return;
    this.metrics?.done(key);
    if (this.again.delete(key)) this.enqueue(key);
  }

  /** Stops the timer of delayed keys. */
  [Symbol.dispose](): void {
    this.timer?.[Symbol.dispose]();
  }

  private enqueue(key: K): void {
    this.waiting.add(key);
    this.order.push(key);
    // One key wakes one worker, the one that has waited longest.
    const [getter] = this.getters;
    if (!getter) return;
    this.getters.delete(getter);
    getter();
  }

  private take(): K | undefined {
    const key = this.order.shift();
    if (key === undefined) return undefined;
    this.waiting.delete(key);
    this.processing.add(key);
    this.metrics?.taken(key);
    return key;
  }

  private woken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const getter = () => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      };
      const onAbort = () => {
        this.getters.delete(getter);
        reject(signal.reason);
      };
      this.getters.add(getter);
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  /** One timer serves all delayed keys: that of the earliest. */
  private arm(): void {
    this.timer?.[Symbol.dispose]();
    const next = this.delayed.peek();
    if (!next) return;
    this.timer = this.clock.after(Math.max(0, next.readyAt - this.clock.monotonic()), () => this.release());
  }

  private release(): void {
    const now = this.clock.monotonic();
    for (let next = this.delayed.peek(); next && next.readyAt <= now; next = this.delayed.peek()) {
      this.delayed.pop();
      this.add(next.key);
    }
    this.arm();
  }
}

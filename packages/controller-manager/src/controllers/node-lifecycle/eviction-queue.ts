// Nodes of one zone that wait to evict their pods, let through at the zone's rate.
import { TokenBucket } from "@skiff/client/token-bucket.ts";
import type { Clock } from "@skiff/component-base/clock.ts";

/** How often a waiting queue is looked at: upstream's NodeEvictionPeriod. */
const POLL_MS = 100;

/** Bounded by the number of nodes. Dispose it to stop its timer. */
export class EvictionQueue implements Disposable {
  private readonly waiting = new Set<string>();
  private readonly release: (node: string) => void;
  private readonly clock: Clock;
  private rate: number;
  private bucket: TokenBucket;
  private timer: Disposable | undefined;

  constructor(rate: number, release: (node: string) => void, clock: Clock) {
    this.clock = clock;
    this.rate = rate;
    this.release = release;
    this.bucket = newBucket(rate, clock);
  }

  /** A node that waits already keeps its place. */
  add(node: string): void {
    this.waiting.add(node);
    this.arm();
  }

  /** It is well again, or gone. */
  remove(node: string): void {
    this.waiting.delete(node);
  }

  /** A rate of 0 stops everything until it is set again. */
  setRate(rate: number): void {
    if (rate === this.rate) return;
    this.rate = rate;
    this.bucket = newBucket(rate, this.clock);
    this.arm();
  }

  [Symbol.dispose](): void {
    this.timer?.[Symbol.dispose]();
    this.waiting.clear();
  }

  private arm(): void {
    if (this.timer || this.waiting.size === 0 || this.rate === 0) return;
    this.letThrough();
    if (this.waiting.size === 0) return;
    this.timer = this.clock.after(POLL_MS, () => {
      this.timer = undefined;
      this.arm();
    });
  }

  private letThrough(): void {
    for (const node of [...this.waiting]) {
      if (!this.bucket.tryTake()) return;
      this.waiting.delete(node);
      this.release(node);
    }
  }
}

/** Upstream's EvictionRateLimiterBurst is 1: evictions never bunch up, however long none was due. */
function newBucket(perSecond: number, clock: Clock): TokenBucket {
  return new TokenBucket({ perSecond, burst: 1 }, clock);
}

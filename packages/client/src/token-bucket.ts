// A rate limit that allows bursts.
import type { Clock } from "@skiff/component-base/clock.ts";

/** As golang.org/x/time/rate: a full bucket of `burst` at the start, refilled evenly. */
export interface TokenBucketOptions {
  readonly perSecond: number;
  readonly burst: number;
}

/** Nothing runs between calls: what has come in since the last one is computed. */
export class TokenBucket {
  private readonly perMs: number;
  private readonly burst: number;
  private readonly clock: Pick<Clock, "monotonic">;
  /** Negative while more was reserved than has come in. */
  private tokens: number;
  private filledAt: number;

  constructor(options: TokenBucketOptions, clock: Pick<Clock, "monotonic">) {
    this.perMs = options.perSecond / 1000;
    this.burst = options.burst;
    this.clock = clock;
    this.tokens = options.burst;
    this.filledAt = clock.monotonic();
  }

  /** Takes a token if there is one. */
  tryTake(): boolean {
    this.fill();
    if (this.tokens < 1) return false;
    this.tokens -= 1;
    return true;
  }

  /** Takes a token now or in advance; returns the milliseconds to wait until it is there. Later callers wait behind it. */
  reserve(): number {
    this.fill();
    this.tokens -= 1;
    return this.tokens >= 0 ? 0 : -this.tokens / this.perMs;
  }

  private fill(): void {
    const now = this.clock.monotonic();
    this.tokens = Math.min(this.burst, this.tokens + (now - this.filledAt) * this.perMs);
    this.filledAt = now;
  }
}

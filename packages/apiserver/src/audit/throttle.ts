// A token bucket: so many at once after a quiet time, and so many a second on average.
import type { Clock } from "@skiff/component-base/clock.ts";

/** --audit-*-batch-throttle-qps and -burst: bounds what a webhook gets after an outage, when much has queued up. */
export class Throttle {
  private readonly qps: number;
  private readonly burst: number;
  private readonly clock: Clock;
  private tokens: number;
  private filledAt: number;

  constructor({ qps, burst }: { readonly qps: number; readonly burst: number }, clock: Clock) {
    this.qps = qps;
    this.burst = burst;
    this.clock = clock;
    this.tokens = burst;
    this.filledAt = clock.monotonic();
  }

  /** Resolves when the caller may go on, or at once when the signal aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    const now = this.clock.monotonic();
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) / 1000) * this.qps);
    this.filledAt = now;
    this.tokens -= 1;
    // A debt is paid by waiting, so that callers one after the other are spaced.
    if (this.tokens < 0) await this.clock.sleep((-this.tokens / this.qps) * 1000, signal).catch(() => {});
  }
}

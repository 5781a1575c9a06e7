// A clock that tests move by hand.
import type { Clock } from "@skiff/component-base/clock.ts";

interface Timer {
  readonly at: number;
  readonly fire: () => void;
}

export class FakeClock implements Clock {
  private readonly timers = new Set<Timer>();
  private time = 0;
  private readonly epoch = Date.UTC(2026, 0, 2, 3, 4, 5);

  now(): number {
    return this.epoch + this.time;
  }

  monotonic(): number {
    return this.time;
  }

  after(ms: number, fn: () => void): Disposable {
    const timer = { at: this.time + ms, fire: fn };
    this.timers.add(timer);
    return { [Symbol.dispose]: () => void this.timers.delete(timer) };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const timer = this.after(ms, resolve);
      signal?.addEventListener("abort", () => {
        timer[Symbol.dispose]();
        reject(signal.reason);
      });
    });
  }

  /** Moves the time on, timer by timer, and lets what they wake run before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.time + ms;
    await settle();
    for (let next = this.earliest(end); next; next = this.earliest(end)) {
      this.time = Math.max(this.time, next.at);
      this.timers.delete(next);
      next.fire();
      await settle();
    }
    this.time = end;
    await settle();
  }

  private earliest(end: number): Timer | undefined {
    let found: Timer | undefined;
    for (const timer of this.timers) if (timer.at <= end && (!found || timer.at < found.at)) found = timer;
    return found;
  }
}

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

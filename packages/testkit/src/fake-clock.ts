// A clock that stands still until told to move, for tests of everything that waits.
import type { Clock } from "@skiff/component-base/clock.ts";

interface Timer {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
}

/** Timers fire in the order of their times, those of one time in the order they were set. */
export class FakeClock implements Clock {
  private readonly startMs: number;
  private elapsedMs = 0;
  private jumpedMs = 0;
  private nextOrder = 0;
  private readonly timers = new Set<Timer>();

  constructor(startMs = Date.UTC(2026, 0, 1)) {
    this.startMs = startMs;
  }

  now(): number {
    return this.startMs + this.elapsedMs + this.jumpedMs;
  }

  monotonic(): number {
    return this.elapsedMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        timer[Symbol.dispose]();
        reject(signal?.reason);
      };
      const timer = this.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  after(ms: number, fn: () => void): Disposable {
    this.nextOrder += 1;
    const timer = { atMs: this.elapsedMs + Math.max(0, ms), order: this.nextOrder, fire: fn };
    this.timers.add(timer);
    return { [Symbol.dispose]: () => void this.timers.delete(timer) };
  }

  /** How many sleeps and timers wait: a test can wait for its subject to have gone to sleep. */
  get waiting(): number {
    return this.timers.size;
  }

  /** Sets the wall clock; what was measured on the monotonic one goes on. A machine that was suspended has jumped forward. */
  jump(ms: number): void {
    this.jumpedMs += ms;
  }

  /** Moves time on; after each timer everything that it woke runs until it waits again. */
  async advance(ms: number): Promise<void> {
    const end = this.elapsedMs + ms;
    for (let timer = this.nextBefore(end); timer; timer = this.nextBefore(end)) {
      this.timers.delete(timer);
      this.elapsedMs = Math.max(this.elapsedMs, timer.atMs);
      timer.fire();
      await settle();
    }
    this.elapsedMs = end;
    await settle();
  }

  private nextBefore(endMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.timers) {
      if (timer.atMs > endMs) continue;
      if (!first || timer.atMs < first.atMs || (timer.atMs === first.atMs && timer.order < first.order)) first = timer;
    }
    return first;
  }
}

// A turn of the event loop lets every chain of promises run dry, however long it is.
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

// The only place where Skiff reads the time or waits for it, so that a virtual clock can stand in everywhere.

/** Time as the programs see it. All figures are milliseconds. */
export interface Clock {
  /** Wall time since the Unix epoch; may jump. */
  now(): number;
  /** Time since an arbitrary start; never goes back. Measure waits and grace periods with this one. */
  monotonic(): number;
  /** Resolves after `ms`; rejects with `signal.reason` once the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `fn` once after `ms` unless the returned handle is disposed first. */
  after(ms: number, fn: () => void): Disposable;
}

/** The machine's own time. Timers keep the process alive until they fire or are disposed. */
export const realClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(
        () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        },
        Math.min(ms, MAX_TIMER_MS),
      );
      // Both ways out undo the other: a long-lived signal would otherwise gather one listener per sleep.
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
  after(ms, fn) {
    const timer = setTimeout(fn, Math.min(ms, MAX_TIMER_MS));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

// Node fires timers beyond 2^31-1 ms at once, so longer waits end early (after 24 days) instead.
const MAX_TIMER_MS = 2 ** 31 - 1;

/** RFC 3339 with seconds, as metav1.Time is written: `2026-01-02T03:04:05Z`. */
export function formatTime(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  // Every write asks twice for the present second.
  if (second !== lastSecond) {
    lastText = `${new Date(epochMs).toISOString().slice(0, 19)}Z`;
    lastSecond = second;
  }
  return lastText;
}

let lastSecond = Number.NaN;
let lastText = "";

/** RFC 3339 with microseconds, as metav1.MicroTime is written: `2026-01-02T03:04:05.123000Z`. The last three are zeros. */
export function formatMicroTime(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 23)}000Z`;
}

/** Milliseconds since the epoch of an RFC 3339 time; NaN when the text is none. */
export function parseTime(text: string): number {
  return Date.parse(text);
}

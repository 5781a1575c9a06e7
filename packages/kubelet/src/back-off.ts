// Growing delays per key, with upstream's rules for when a delay counts and when it starts anew.
import type { Clock } from "@skiff/component-base/clock.ts";

interface Entry {
  delayMs: number;
  /** Monotonic. */
  updatedAt: number;
  /** The event that was asked about last: its wall time, and when that was on the monotonic clock. */
  event: { readonly at: number; readonly moment: number } | undefined;
}

/**
 * `initialMs` doubles up to `maxMs`; a key that was quiet for twice `maxMs` starts anew. Events carry wall times, which are
 * read once: a clock that is set back by an hour must not make anybody wait for an hour.
 */
export class BackOff {
  private readonly initialMs: number;
  private readonly maxMs: number;
  private readonly clock: Pick<Clock, "now" | "monotonic">;
  private readonly entries = new Map<string, Entry>();

  constructor(initialMs: number, maxMs: number, clock: Pick<Clock, "now" | "monotonic">) {
    this.initialMs = initialMs;
    this.maxMs = maxMs;
    this.clock = clock;
  }

  /** The delay that now applies to `key`; 0 when it never failed. */
  get(key: string): number {
    return this.entries.get(key)?.delayMs ?? 0;
  }

  /** Counts one more failure that happened at `eventAt`. */
  next(key: string, eventAt: number): void {
    const entry = this.entries.get(key);
    // A container that ran well for long and then fails once is no crash loop.
    const fresh = !entry || this.hasExpired(entry, this.momentOf(entry, eventAt));
    const delayMs = fresh ? this.initialMs : Math.min(entry.delayMs * 2, this.maxMs);
    this.entries.set(key, { delayMs, updatedAt: this.clock.monotonic(), event: entry?.event });
  }

  /** Milliseconds that remain of the delay when it is counted from `eventAt`; 0 once it is over. */
  remainingSince(key: string, eventAt: number): number {
    const entry = this.entries.get(key);
    return entry ? this.remainingOf(entry, this.momentOf(entry, eventAt)) : 0;
  }

  /** The same, counted from the last failure. */
  remaining(key: string): number {
    const entry = this.entries.get(key);
    return entry ? this.remainingOf(entry, entry.updatedAt) : 0;
  }

  reset(key: string): void {
    this.entries.delete(key);
  }

  /** Forgets what has been quiet for so long that it would start anew. */
  collect(): void {
    for (const [key, entry] of this.entries) {
      if (this.hasExpired(entry, this.clock.monotonic())) this.entries.delete(key);
    }
  }

  private remainingOf(entry: Entry, moment: number): number {
    if (this.hasExpired(entry, moment)) return 0;
    return Math.max(0, moment + entry.delayMs - this.clock.monotonic());
  }

  /**
   * Where a wall time lies on the monotonic clock. Read once per event, so that later jumps of the wall clock change
   * nothing.
   */
  private momentOf(entry: Entry, eventAt: number): number {
    if (entry.event?.at !== eventAt) {
      const ageMs = Math.max(0, this.clock.now() - eventAt);
      entry.event = { at: eventAt, moment: this.clock.monotonic() - ageMs };
    }
    return entry.event.moment;
  }

  private hasExpired(entry: Entry, moment: number): boolean {
    return moment - entry.updatedAt > 2 * this.maxMs;
  }
}

// Growing delays per key, with upstream's rules for when a delay counts and when it starts anew.
import type { Clock } from "@skiff/component-base/clock.ts";

interface Entry {
  delayMs: number;
  updatedAt: number;
}

/** `initialMs` doubles up to `maxMs`; a key that was quiet for twice `maxMs` starts anew. */
export class BackOff {
  private readonly initialMs: number;
  private readonly maxMs: number;
  private readonly clock: Pick<Clock, "now">;
  private readonly entries = new Map<string, Entry>();

  constructor(initialMs: number, maxMs: number, clock: Pick<Clock, "now">) {
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
    const fresh = !entry || this.hasExpired(entry, eventAt);
    const delayMs = fresh ? this.initialMs : Math.min(entry.delayMs * 2, this.maxMs);
    this.entries.set(key, { delayMs, updatedAt: this.clock.now() });
  }

  /** Milliseconds that remain of the delay when it is counted from `eventAt`; 0 once it is over. */
  remainingSince(key: string, eventAt: number): number {
    const entry = this.entries.get(key);
    if (!entry || this.hasExpired(entry, eventAt)) return 0;
    return Math.max(0, eventAt + entry.delayMs - this.clock.now());
  }

  /** The same, counted from the last failure. */
  remaining(key: string): number {
    const entry = this.entries.get(key);
    return entry ? this.remainingSince(key, entry.updatedAt) : 0;
  }

  reset(key: string): void {
    this.entries.delete(key);
  }

  /** Forgets what has been quiet for so long that it would start anew. */
  collect(): void {
    for (const [key, entry] of this.entries) if (this.hasExpired(entry, this.clock.now())) this.entries.delete(key);
  }

  private hasExpired(entry: Entry, eventAt: number): boolean {
    return eventAt - entry.updatedAt > 2 * this.maxMs;
  }
}

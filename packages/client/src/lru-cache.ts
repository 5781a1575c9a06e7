// A map of bounded size that forgets what was not used for longest, and what is too old.
import type { Clock } from "@skiff/component-base/clock.ts";

interface Entry<V> {
  readonly value: V;
  readonly expiresAt: number;
}

/** `get` does not tell "never set" from "too old"; nor from a value of undefined, which nobody should set. */
export class LruCache<V> {
  private readonly capacity: number;
  private readonly clock: Pick<Clock, "monotonic">;
  /** In order of use: a Map keeps insertion order, and a use inserts anew. */
  private readonly entries = new Map<string, Entry<V>>();

  constructor(capacity: number, clock: Pick<Clock, "monotonic">) {
    this.capacity = capacity;
    this.clock = clock;
  }

  get(key: string): V | undefined {
    const entry = this.entries.get(key);
    if (!entry) return undefined;
    this.entries.delete(key);
    if (entry.expiresAt <= this.clock.monotonic()) return undefined;
    this.entries.set(key, entry);
    return entry.value;
  }

  /** An entry without a time to live goes only when it is crowded out. */
  set(key: string, value: V, ttlMs = Number.POSITIVE_INFINITY): void {
    this.entries.delete(key);
    this.entries.set(key, { value, expiresAt: this.clock.monotonic() + ttlMs });
    if (this.entries.size <= this.capacity) return;
    const oldest = this.entries.keys().next();
    if (!oldest.done) this.entries.delete(oldest.value);
  }

  delete(key: string): void {
    this.entries.delete(key);
  }
}

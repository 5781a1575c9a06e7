// The recent events of one resource, from which watches resume; bounded by count and by bytes.
import type { CacheEvent } from "./cache-event.ts";

/** Upstream's watch cache window. A client that reconnects after a short break goes on here instead of listing all. */
export class EventRing {
  /** Every event after this revision is here. */
  completeSince: number;
  private events: CacheEvent[] = [];
  private first = 0;
  private bytes = 0;

  constructor(completeSince: number) {
    this.completeSince = completeSince;
  }

  push(event: CacheEvent): void {
    this.events.push(event);
    this.bytes += event.weight;
    this.events[this.events.length - 1 - MAX_FRAMES]?.dropFrames();
    while (this.events.length - this.first > MAX_EVENTS || this.bytes > MAX_BYTES) this.dropFirst();
    // Shifting an array is linear, so the dead front is cut off only once it is half of it.
    if (this.first > 64 && this.first * 2 > this.events.length) {
      this.events = this.events.slice(this.first);
      this.first = 0;
    }
  }

  /** Events after `revision`, oldest first; undefined when some of them are no longer here. */
  since(revision: number): readonly CacheEvent[] | undefined {
    if (revision < this.completeSince) return undefined;
    let low = this.first;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.events[middle]?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return this.events.slice(low);
  }

  /** Keeps only the events after `revision`, so that an idle server gives back what a burst took. */
  trim(revision: number): void {
    while (this.first < this.events.length && (this.events[this.first]?.revision ?? 0) <= revision) this.dropFirst();
    this.events = this.events.slice(this.first);
    this.first = 0;
  }

  reset(revision: number): void {
    this.completeSince = revision;
    this.events = [];
    this.first = 0;
    this.bytes = 0;
  }

  get size(): number {
    return this.events.length - this.first;
  }

  private dropFirst(): void {
    const event = this.events[this.first];
    if (!event) return;
    this.first += 1;
    this.bytes -= event.weight;
    this.completeSince = event.revision;
  }
}

/** Per resource; whichever of the two bounds is met first counts. */
const MAX_EVENTS = 10_000;
/** Watchers take an event at once, so that only the newest need their wire form kept. */
const MAX_FRAMES = 512;
const MAX_BYTES = 12 * 1024 * 1024;

// One client's watch: first the state it starts from, then every change that it selects, at the pace of its reader.
import { Readable } from "node:stream";
import type { ApiError } from "@skiff/api/errors.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { CacheEvent, EventType } from "../storage/cache-event.ts";
import type { CacheWatcher, ResourceCache, Scope } from "../storage/resource-cache.ts";
import type { StoredObject } from "../storage/stored-object.ts";
import type { EventEncoder } from "./event-encoder.ts";
import type { WatchMeter } from "./watch-meter.ts";

/** What one watch was asked to send, settled before its first byte. */
export interface WatchPlan {
  readonly scope: Scope;
  readonly matches: ((object: StoredObject) => boolean) | undefined;
  /** Events after this revision are sent. */
  readonly since: number;
  /** Sent first, as ADDED. */
  readonly initial: readonly StoredObject[];
  readonly bookmarks: boolean;
  /** A bookmark that says so follows the initial state. */
  readonly markInitialEnd: boolean;
  readonly timeoutMs: number;
}

/** An event that the reader has not taken yet, and what it is to this watcher: its type depends on the selector. */
interface Pending {
  readonly event: CacheEvent;
  readonly type: EventType;
}

/**
 * A body that ends only with its timeout, its client or the server. Events wait in memory, bounded, while the client
 * does not read; they are encoded when their turn comes.
 */
export class WatchStream extends Readable implements CacheWatcher {
  readonly scope: Scope;
  private readonly plan: WatchPlan;
  private readonly cache: ResourceCache;
  private readonly encoder: EventEncoder;
  private readonly timers: Disposable[] = [];
  private readonly clock: Clock;
  private readonly meter: WatchMeter;
  private initialAt = 0;
  private initialEndSent = false;
  private pending: Pending[] = [];
  private bookmarkDue = false;
  private wantsMore = false;
  private flushQueued = false;
  private last: Buffer | undefined;
  private ended = false;

  /** Throws 410 when the events after `plan.since` are no longer known. */
  constructor(plan: WatchPlan, cache: ResourceCache, encoder: EventEncoder, clock: Clock, meter: WatchMeter) {
    super({ highWaterMark: HIGH_WATER_BYTES });
    this.plan = plan;
    this.scope = plan.scope;
    this.cache = cache;
    this.encoder = encoder;
    this.clock = clock;
    this.meter = meter;
    // What happened between the start revision and now is still in the cache's ring, unless it is too old.
    for (const event of cache.watch(this, plan.since)) this.onEvent(event);
    // Ends even a busy watch, so that connections spread over the servers again.
    this.timers.push(clock.after(plan.timeoutMs, () => this.finish()));
    if (plan.bookmarks) this.scheduleBookmark();
  }

  /** Ends with an ERROR event, as for a 410 when the cache had to start over: the client lists again. */
  end(error: ApiError): void {
    this.last = this.encoder.error(error);
    this.finish();
  }

  /** Ends the stream after what is pending; with a last bookmark where they were asked for. */
  finish(): void {
    if (this.ended) return;
    this.ended = true;
    // The next watch of this client can then start here instead of at its last event, which may be long compacted.
    if (this.plan.bookmarks && !this.last) this.bookmarkDue = true;
    this.queueFlush();
  }

  override _read(): void {
    this.wantsMore = true;
    this.flush();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.ended = true;
    this.cache.unwatch(this);
    for (const timer of this.timers) timer[Symbol.dispose]();
    this.pending = [];
    callback(error);
  }

  /** From the cache, in order. */
  onEvent(event: CacheEvent): void {
    if (this.ended || event.revision <= this.plan.since) return;
    const type = typeFor(event, this.plan.matches);
    if (!type) return;
    // The client sees its watch end, and lists or resumes.
    if (this.pending.length >= MAX_PENDING) {
      this.cache.terminatedWatchers += 1;
      return void this.destroy(new Error("the watcher reads too slowly"));
    }
    this.pending.push({ event, type });
    this.queueFlush();
  }

  // All events of one etcd message arrive in one go, so that they leave in one write.
  private queueFlush(): void {
    if (this.flushQueued || !this.wantsMore) return;
    this.flushQueued = true;
    queueMicrotask(() => {
      this.flushQueued = false;
      this.flush();
    });
  }

  private flush(): void {
    while (this.wantsMore && !this.destroyed) {
      const chunk = this.nextChunk();
      if (!chunk) break;
      this.wantsMore = this.push(chunk);
    }
    if (this.ended && !this.destroyed && this.wantsMore) this.push(null);
  }

  /**
   * In this order: the initial state, the mark of its end, events, a bookmark. A bookmark promises that everything up
   * to its revision was sent, so it waits until nothing is pending.
   */
  private nextChunk(): Buffer | undefined {
    const { initial } = this.plan;
    if (this.initialAt < initial.length) return this.initialChunk(initial);
    if (this.plan.markInitialEnd && !this.initialEndSent) {
      this.initialEndSent = true;
      this.meter.initialSent();
      return this.encoder.bookmark(this.plan.since, true);
    }
    if (this.pending.length > 0) return this.pendingChunk();
    if (this.bookmarkDue) {
      this.bookmarkDue = false;
      return this.encoder.bookmark(Math.max(this.cache.revision, this.plan.since), false);
    }
    const { last } = this;
    this.last = undefined;
    return last;
  }

  /** Encoded piece by piece as the reader takes it: ten thousand objects never exist as one text. */
  private initialChunk(initial: readonly StoredObject[]): Buffer {
    const frames: Buffer[] = [];
    let size = 0;
    while (this.initialAt < initial.length && size < HIGH_WATER_BYTES) {
      const before = size;
      for (const part of this.encoder.added(initial[this.initialAt++] as StoredObject)) {
        frames.push(part);
        size += part.length;
      }
      this.meter.sent(size - before);
    }
    return Buffer.concat(frames, size);
  }

  private pendingChunk(): Buffer {
    const frames: Buffer[] = [];
    let size = 0;
    let taken = 0;
    while (taken < this.pending.length && size < HIGH_WATER_BYTES) {
      const { event, type } = this.pending[taken++] as Pending;
      const frame = this.encoder.change(event, type);
      frames.push(frame);
      size += frame.length;
      this.meter.sent(frame.length);
    }
    this.pending = taken === this.pending.length ? [] : this.pending.slice(taken);
    return frames.length === 1 ? (frames[0] as Buffer) : Buffer.concat(frames, size);
  }

  private scheduleBookmark(): void {
    const timer = this.clock.after(BOOKMARK_INTERVAL_MS, () => {
      this.timers.splice(this.timers.indexOf(timer), 1);
      if (this.ended) return;
      this.bookmarkDue = true;
      this.queueFlush();
      this.scheduleBookmark();
    });
    this.timers.push(timer);
  }
}

const HIGH_WATER_BYTES = 64 * 1024;
/** A reader this far behind starts over; until then it only keeps references to shared events. */
const MAX_PENDING = 10_000;
/** Upstream's once a minute, which keeps quiet watches within what etcd has not compacted yet. */
const BOOKMARK_INTERVAL_MS = 60_000;

/** What an event is to a watcher with a selector: objects enter and leave its view. */
function typeFor(event: CacheEvent, matches: ((object: StoredObject) => boolean) | undefined): EventType | undefined {
  const { current, previous } = event;
  const before = previous !== undefined && (!matches || matches(previous));
  const after = current !== undefined && (!matches || matches(current));
  if (after) return before ? "MODIFIED" : "ADDED";
  return before ? "DELETED" : undefined;
}

// Upstream's rules against floods of Events: count what repeats, combine what is alike, drop what is too much.
import type { CoreV1Event } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { LruCache } from "./lru-cache.ts";
import { TokenBucket } from "./token-bucket.ts";

/** An Event before it has a name and counts. */
export type EventDraft = Pick<
  CoreV1Event,
  "involvedObject" | "reason" | "message" | "type" | "source" | "reportingComponent" | "reportingInstance"
>;

/** What to do about an event: nothing, a new object, or one more occurrence of an object written before. */
export type Correlation =
  | { readonly action: "drop" }
  | { readonly action: "create"; readonly key: string; readonly draft: EventDraft }
  | { readonly action: "patch"; readonly key: string; readonly draft: EventDraft; readonly known: KnownEvent };

/** An Event that was written before; `count` is what the server holds. */
export interface KnownEvent {
  readonly name: string;
  readonly namespace: string;
  readonly firstTimestamp: string;
  readonly count: number;
}

/** Upstream's maxLruCacheEntries, for each of the three memories. */
const CACHE_SIZE = 4096;
/** Of one source about one object: 25 at once, then one in five minutes (defaultSpamBurst, defaultSpamQPS). */
const SPAM_LIMIT = { perSecond: 1 / 300, burst: 25 };
/** defaultAggregateMaxEvents and defaultAggregateIntervalInSeconds. */
const MAX_SIMILAR = 10;
const SIMILAR_WINDOW_MS = 600_000;
/** People and tools know combined events by this prefix. */
const COMBINED = "(combined from similar events): ";

interface SimilarEvents {
  readonly messages: Set<string>;
  lastAt: number;
}

/** Pure bookkeeping: the recorder does the writing, and reports back what now stands for which key. */
export class EventCorrelator {
  private readonly clock: Pick<Clock, "monotonic">;
  private readonly known: LruCache<KnownEvent>;
  private readonly similar: LruCache<SimilarEvents>;
  private readonly limits: LruCache<TokenBucket>;

  constructor(clock: Pick<Clock, "monotonic">) {
    this.clock = clock;
    this.known = new LruCache(CACHE_SIZE, clock);
    this.similar = new LruCache(CACHE_SIZE, clock);
    this.limits = new LruCache(CACHE_SIZE, clock);
  }

  /** Call it once per occurrence: it counts towards the limits even if the write fails. */
  correlate(original: EventDraft): Correlation {
    const { key, draft } = this.aggregate(original);
    if (!this.allows(draft)) return { action: "drop" };
    const known = this.known.get(key);
    return known ? { action: "patch", key, draft, known } : { action: "create", key, draft };
  }

  /** Remembers the object that now stands for the key. */
  written(key: string, event: KnownEvent): void {
    this.known.set(key, event);
  }

  /** The server no longer has the object of the key: the next occurrence is a new one. */
  forget(key: string): void {
    this.known.delete(key);
  }

  /** After ten different messages of one kind in ten minutes, further ones share one Event. */
  private aggregate(draft: EventDraft): { key: string; draft: EventDraft } {
    const group = groupKey(draft);
    const now = this.clock.monotonic();
    let record = this.similar.get(group);
    if (!record || now - record.lastAt > SIMILAR_WINDOW_MS) record = { messages: new Set(), lastAt: now };
    record.lastAt = now;
    record.messages.add(draft.message ?? "");
    this.similar.set(group, record);
    if (record.messages.size < MAX_SIMILAR) return { key: `${group}\0${draft.message}`, draft };
    // The set is bounded: which message goes does not matter once there are so many.
    const [first] = record.messages;
    if (first !== undefined) record.messages.delete(first);
    return { key: group, draft: { ...draft, message: COMBINED + draft.message } };
  }

  private allows(draft: EventDraft): boolean {
    const key = spamKey(draft);
    let bucket = this.limits.get(key);
    if (!bucket) {
      bucket = new TokenBucket(SPAM_LIMIT, this.clock);
      this.limits.set(key, bucket);
    }
    return bucket.tryTake();
  }
}

/** Whoever speaks about whatever: a chatty controller does not use up another's share. */
function spamKey({ source, involvedObject: about }: EventDraft): string {
  return [source?.component, source?.host, about.kind, about.namespace, about.name, about.uid, about.apiVersion].join(
    "\0",
  );
}

/** Events that differ in their message alone are similar. */
function groupKey(draft: EventDraft): string {
  const { type, reason, reportingComponent, reportingInstance, involvedObject } = draft;
  return [spamKey(draft), involvedObject.fieldPath, type, reason, reportingComponent, reportingInstance].join("\0");
}

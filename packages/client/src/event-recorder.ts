// Events for people: what happened to an object. Recording never blocks and never fails its caller.
import { randomUUID } from "node:crypto";
import { ApiError, isAlreadyExists, isNotFound } from "@skiff/api/errors.ts";
import { fnv1a32 } from "@skiff/api/hash.ts";
import type { KubeObject, Unsaved } from "@skiff/api/object.ts";
import { groupVersion } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import { events } from "@skiff/api/resource-ref.ts";
import type { CoreV1Event, ObjectReference } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { BackOff } from "./back-off.ts";
import type { Correlation, EventDraft } from "./event-correlator.ts";
import { EventCorrelator } from "./event-correlator.ts";
import { Fifo } from "./fifo.ts";
import type { ResourceClient } from "./resource-client.ts";
import type { RestClient } from "./rest-client.ts";
import { TokenBucket, type TokenBucketOptions } from "./token-bucket.ts";

/** What an event is about: an object with its kind, or a reference (with `fieldPath` for a part, such as a container). */
export type EventSubject = { readonly ref: ResourceRef; readonly object: Readonly<KubeObject> } | ObjectReference;

/** Beyond so many unsent events new ones are dropped, as upstream's broadcaster does (maxQueuedEvents is 1000; here of each lane). */
const MAX_PENDING = 4000;
/** Events sent at once. Those of one object go one after another, since later ones count on earlier ones. */
const LANES = 4;
/** Tries of one event while the server cannot be reached: upstream's maxTriesPerEvent. */
const MAX_TRIES = 12;
/** An event may wait so long for work that is more pressing, looking so often whether that is done. */
const MAX_YIELD_MS = 3000;
const YIELD_STEP_MS = 100;
/** A stopping program tells its last events, but does not hang on a server that is stopping too. */
const FLUSH_ON_STOP_MS = 3000;
/** Of an object's name, in characters. */
const MAX_NAME = 253;

/** Of the event's object itself, for machines that read more than its message. */
type Annotations = Readonly<Record<string, string>>;

interface PendingEvent {
  readonly draft: EventDraft;
  readonly annotations: Annotations | undefined;
  /** When it happened, not when it is sent: RFC 3339. */
  readonly at: string;
  /** The same on the monotonic clock. */
  readonly recordedAt: number;
}

interface Lane {
  readonly pending: Fifo<PendingEvent>;
  sending?: Promise<void> | undefined;
}

/** Events are a courtesy: under pressure they are counted together, then dropped, and never hold up the work they tell of. */
export class EventRecorder implements AsyncDisposable {
  private readonly client: ResourceClient<CoreV1Event>;
  private readonly source: { readonly component: string; readonly host?: string };
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly correlator: EventCorrelator;
  private readonly lanes: readonly Lane[] = Array.from({ length: LANES }, () => ({ pending: new Fifo() }));
  private readonly stop = new AbortController();
  /** Undefined for no limit. */
  private readonly rate: TokenBucket | undefined;
  /** Tells events of the same object and millisecond apart. */
  private sequence = 0;
  private dropped = 0;
  /** Whether the program does what users wait for: events are then told a little later, and cost nothing meanwhile. */
  isBusy: () => boolean = () => false;

  constructor(
    client: Pick<RestClient, "of">,
    source: { readonly component: string; readonly host?: string },
    deps: { readonly clock: Clock; readonly log: Logger },
    rate?: TokenBucketOptions,
  ) {
    this.client = client.of(events);
    this.source = source;
    this.rate = rate && new TokenBucket(rate, deps.clock);
    this.clock = deps.clock;
    this.log = deps.log.child({ part: "events" });
    this.correlator = new EventCorrelator(deps.clock);
  }

  /** `reason` is one word in CamelCase for machines, `message` a sentence for people. Returns at once; never throws. */
  record(
    subject: EventSubject,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
    annotations?: Annotations,
  ): void {
    if (this.stop.signal.aborted) return;
    const draft = this.draftOf(subject, type, reason, message);
    const lane = this.laneOf(draft.involvedObject);
    if (lane.pending.size >= MAX_PENDING / LANES) {
      // One line per flood, not per event.
      if (this.dropped++ === 0) this.log.warn({ reason }, "too many unsent events, dropping some");
      return;
    }
    lane.pending.push({ draft, annotations, at: formatTime(this.clock.now()), recordedAt: this.clock.monotonic() });
    // `sendAll` waits at least once before it clears `sending`, so this cannot overwrite the end of it.
    lane.sending ??= this.sendAll(lane);
  }

  /** Resolves once everything recorded so far was sent or given up. */
  async flush(): Promise<void> {
    while (this.lanes.some((lane) => lane.sending)) await Promise.all(this.lanes.map((lane) => lane.sending));
  }

  /** Sends what is left within a few seconds, then drops the rest. */
  async [Symbol.asyncDispose](): Promise<void> {
    using _limit = this.clock.after(FLUSH_ON_STOP_MS, () => this.stop.abort());
    this.isBusy = () => false;
    await this.flush();
    this.stop.abort();
  }

  private draftOf(subject: EventSubject, type: string, reason: string, message: string): EventDraft {
    return {
      involvedObject: "ref" in subject && "object" in subject ? referenceTo(subject.ref, subject.object) : subject,
      reason,
      message,
      type,
      source: this.source,
      reportingComponent: this.source.component,
      reportingInstance: this.source.host ?? "",
    };
  }

  private laneOf(about: ObjectReference): Lane {
    const place = fnv1a32(`${about.namespace}/${about.name}`) % LANES;
    return this.lanes[place] as Lane;
  }

  private async sendAll(lane: Lane): Promise<void> {
    for (let next = lane.pending.shift(); next && !this.stop.signal.aborted; next = lane.pending.shift()) {
      await this.letWorkGoFirst(next);
      await this.send(next);
    }
    lane.sending = undefined;
    if (this.dropped > 0) this.log.warn({ count: this.dropped }, "events were dropped");
    this.dropped = 0;
  }

  private async letWorkGoFirst({ recordedAt }: PendingEvent): Promise<void> {
    while (this.isBusy() && this.clock.monotonic() - recordedAt < MAX_YIELD_MS) {
      await this.clock.sleep(YIELD_STEP_MS, this.stop.signal).catch(() => {});
      if (this.stop.signal.aborted) return;
    }
  }

  private async send(event: PendingEvent): Promise<void> {
    const correlation = this.correlator.correlate(event.draft);
    if (correlation.action === "drop") return;
    // Chosen before the first try: a try whose answer was lost is then found by its name instead of being written twice.
    const newName = this.nameFor(event.draft.involvedObject);
    const waitMs = this.rate?.reserve() ?? 0;
    if (waitMs > 0) await this.clock.sleep(waitMs, this.stop.signal).catch(() => {});
    const backOff = new BackOff({ initialMs: 1000, ceilingMs: 10_000 });
    for (let tries = 1; ; tries++) {
      try {
        return await this.write(correlation, newName, event);
      } catch (error) {
        if (this.stop.signal.aborted) return;
        // The server's refusal is final (the namespace is going, for one); only an unreachable server is tried again.
        const final = (error instanceof ApiError && error.code < 500) || tries >= MAX_TRIES;
        const fields = { reason: event.draft.reason, err: error };
        if (final) return this.log.debug(fields, "event was not written");
        await this.clock.sleep(backOff.next(), this.stop.signal).catch(() => {});
      }
    }
  }

  private async write(
    correlation: Exclude<Correlation, { action: "drop" }>,
    newName: string,
    event: PendingEvent,
  ): Promise<void> {
    const { key, draft } = correlation;
    if (correlation.action === "create") return this.create(key, draft, newName, event);
    const { name, namespace, firstTimestamp, count } = correlation.known;
    // A sum, not "one more": a patch that is sent again after a lost answer changes nothing.
    const next = { name, namespace, firstTimestamp, count: count + 1 };
    const body = { count: next.count, lastTimestamp: event.at, message: draft.message };
    try {
      await this.client.patch(namespace, name, "strategic", body, { signal: this.stop.signal });
      this.correlator.written(key, next);
    } catch (error) {
      if (!isNotFound(error)) throw error;
      // It outlived its time on the server: start a new one.
      this.correlator.forget(key);
      await this.create(key, draft, newName, event);
    }
  }

  private async create(key: string, draft: EventDraft, name: string, { at, annotations }: PendingEvent): Promise<void> {
    // Events about objects outside namespaces live in `default`, where kubectl looks for them.
    const namespace = draft.involvedObject.namespace || "default";
    const event: Unsaved<CoreV1Event> = {
      ...draft,
      metadata: { name, namespace, ...(annotations ? { annotations: { ...annotations } } : {}) },
      firstTimestamp: at,
      lastTimestamp: at,
      count: 1,
    };
    try {
      await this.client.create(namespace, event, { signal: this.stop.signal });
    } catch (error) {
      // A try whose answer was lost had succeeded.
      if (!isAlreadyExists(error)) throw error;
    }
    this.correlator.written(key, { name, namespace, firstTimestamp: at, count: 1 });
  }

  /** Upstream's form: the object's name and the time in hexadecimal nanoseconds, or a UUID where that would be too long. */
  private nameFor(about: ObjectReference): string {
    this.sequence = (this.sequence + 1) % 1_000_000;
    const nanos = BigInt(Math.round(this.clock.now())) * 1_000_000n + BigInt(this.sequence);
    const name = `${about.name}.${nanos.toString(16)}`;
    return name.length > MAX_NAME ? randomUUID() : name;
  }
}

function referenceTo(ref: ResourceRef, object: Readonly<KubeObject>): ObjectReference {
  const { name, namespace, uid, resourceVersion } = object.metadata;
  const apiVersion = groupVersion(ref.group, ref.version);
  return { apiVersion, kind: ref.kind, name, ...(namespace ? { namespace } : {}), uid, resourceVersion };
}

// Mirrors one resource of the apiserver into a store: list once, then watch on from exactly there.
import { ApiError, isGone } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { BackOff } from "./back-off.ts";
import { wasIdle } from "./connection-error.ts";
import type { ResourceClient, Selection } from "./resource-client.ts";
import type { WatchEvent } from "./watch-stream.ts";

/** Where the mirrored objects go. Both calls are synchronous, so that a version counts only once it is stored. */
export interface ReflectorStore<T extends KubeObject> {
  /** All objects there are; whatever else the store holds is gone. */
  replace(items: readonly T[]): void;
  apply(event: WatchEvent<T>): void;
}

/** The part of a ResourceClient that a reflector needs. */
export type ListWatch<T extends KubeObject> = Pick<ResourceClient<T>, "list" | "watch" | "ref">;

/** client-go's default page. */
const PAGE_SIZE = 500;
/** Servers end watches; asking for different times, up to twice this, spreads the reconnects (minWatchTimeout). */
const WATCH_MIN_SECONDS = 300;
/** Bookmarks come every minute: a watch silent for longer than this has lost its server, and resumes cheaply. */
const IDLE_TIMEOUT_MS = 150_000;
/** A list younger than this that is refused as too old already makes the next one wait. */
const FRESH_LIST_MS = 30_000;
/** A watch that ends sooner, without an event, counts as failed. */
const SHORT_WATCH_MS = 1000;
/** A watch that lasted so long, or brought an event, ends the series of failures before it. */
const HEALTHY_WATCH_MS = 5000;

/**
 * One list and then watches for as long as it runs; each watch starts at the very version the store has, so that no change is
 * missed and none comes twice. Only a server that has forgotten that version makes it list again.
 */
export class Reflector<T extends KubeObject> {
  private readonly client: ListWatch<T>;
  private readonly selection: Selection;
  private readonly store: ReflectorStore<T>;
  private readonly clock: Clock;
  private readonly log: Logger;
  private readonly backOff = new BackOff({ initialMs: 200, ceilingMs: 30_000 });
  /** The last version stored; undefined when a list must come first. */
  private version: string | undefined;
  /** Undefined before the first list: only that may come from the server's cache, later ones must not go back in time. */
  private listedAt: number | undefined;

  constructor(
    client: ListWatch<T>,
    selection: Selection,
    store: ReflectorStore<T>,
    deps: { readonly clock: Clock; readonly log: Logger },
  ) {
    this.client = client;
    this.selection = selection;
    this.store = store;
    this.clock = deps.clock;
    this.log = deps.log.child({ resource: client.ref.plural });
  }

  /** Mirrors until the signal aborts, then resolves. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.version === undefined) await this.list(signal);
        await this.watch(signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.recover(error, signal);
      }
    }
  }

  private async list(signal: AbortSignal): Promise<void> {
    const { items, version } = await this.listAll(signal);
    // The store first: if it throws, the next pass lists again instead of watching past what is missing.
    this.store.replace(items);
    this.version = version;
    this.listedAt = this.clock.monotonic();
    this.log.debug({ count: items.length, version }, "listed");
  }

  private async listAll(signal: AbortSignal): Promise<{ items: T[]; version: string }> {
    // "0" is answered from the server's watch cache in one piece: the starts of a thousand kubelets do not reach etcd.
    if (this.listedAt === undefined) return this.listPages({ resourceVersion: "0" }, signal);
    try {
      return await this.listPages({ limit: PAGE_SIZE }, signal);
    } catch (error) {
      // The list took so long that its continue token expired: take it in one piece.
      if (!isGone(error)) throw error;
      return await this.listPages({}, signal);
    }
  }

  private async listPages(
    query: { resourceVersion?: string; limit?: number },
    signal: AbortSignal,
  ): Promise<{ items: T[]; version: string }> {
    let page = await this.client.list({ ...this.selection, ...query }, { signal });
    const items = page.items;
    while (page.metadata.continue) {
      page = await this.client.list({ ...this.selection, ...query, continue: page.metadata.continue }, { signal });
      // Not `push(...)`: a page is passed as arguments then, and the stack bounds their number.
      for (const item of page.items) items.push(item);
    }
    return { items, version: page.metadata.resourceVersion ?? "" };
  }

  private async watch(signal: AbortSignal): Promise<void> {
    const startedAt = this.clock.monotonic();
    let events = 0;
    const stream = this.client.watch(
      {
        ...this.selection,
        resourceVersion: this.version ?? "",
        allowWatchBookmarks: true,
        timeoutSeconds: Math.round(WATCH_MIN_SECONDS * (1 + Math.random())),
      },
      { signal, idleTimeoutMs: IDLE_TIMEOUT_MS },
    );
    try {
      for await (const event of stream) {
        // After a stop no handler may be called any more, even if events are still at hand.
        if (signal.aborted) return;
        if (event.type !== "BOOKMARK") this.store.apply(event);
        // A bookmark carries no change but the version, which keeps a quiet watch from growing too old to resume.
        this.version = event.object.metadata.resourceVersion;
        events++;
      }
      // Ending in time is normal. Ending at once is a server in trouble, and asking on without a pause would not help it.
      if (events === 0 && this.clock.monotonic() - startedAt < SHORT_WATCH_MS)
        throw new Error("the watch ended at once");
    } finally {
      if (events > 0 || this.clock.monotonic() - startedAt >= HEALTHY_WATCH_MS) this.backOff.reset();
    }
  }

  /** Waits for as long as the error calls for, and forgets the version where that is of no more use. */
  private async recover(error: unknown, signal: AbortSignal): Promise<void> {
    const relist = needsList(error);
    if (relist) this.version = undefined;
    const delayMs = this.delayAfter(error);
    const retry = { delayMs: Math.round(delayMs), relist };
    if (isGone(error)) this.log.info(retry, "watch is too old, listing again");
    else if (wasIdle(error)) this.log.debug(retry, "watch was silent, resuming");
    else this.log.warn({ err: error, ...retry }, "list or watch failed, retrying");
    await this.clock.sleep(delayMs, signal).catch(() => {});
  }

  /** A server that says "gone" is well, so failures before that do not count; that after a fresh list, something is wrong. */
  private delayAfter(error: unknown): number {
    const ageMs = this.clock.monotonic() - (this.listedAt ?? Number.NEGATIVE_INFINITY);
    if (!isGone(error) || ageMs < FRESH_LIST_MS) return this.backOff.next();
    this.backOff.reset();
    return 0;
  }
}

/**
 * An overloaded, starting or absent server knows our version still; any other refusal (gone, too large a version, forbidden for
 * a while) does not promise that.
 */
function needsList(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return !(error.code === 429 || (error.code >= 500 && error.code !== 504));
}

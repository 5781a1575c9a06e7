// The one etcd watch that feeds every cache: lists, resumes where it broke off, and knows up to where it has seen all.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { KeyValue, WatchEvent } from "./etcd/messages.ts";
import type { EtcdConnection } from "./etcd-connection.ts";
import { runEtcdWatch, type WatchEnd } from "./etcd-watch.ts";
import { ResourceCache } from "./resource-cache.ts";
import { decodeFromStorage, type StorageKind, type StoredObject } from "./stored-object.ts";

/** Somebody who waits for the caches to reach a revision. */
interface Waiter {
  readonly revision: number;
  resolve(reached: boolean): void;
}

/** One watch for all resources, so that one revision says how far every cache is. */
export class ChangeFeed {
  private readonly caches = new Map<string, ResourceCache>();
  private readonly etcd: EtcdConnection;
  private readonly clock: Clock;
  private readonly log: Logger;
  private applied = 0;
  private clusterId = "";
  private mustRelist = true;
  private waiters: Waiter[] = [];
  /** Aborts the running watch when its history turns out to be lost. */
  private watchAbort = new AbortController();
  private readonly firstSync = Promise.withResolvers<void>();

  constructor(kinds: readonly StorageKind[], etcd: EtcdConnection, deps: { clock: Clock; log: Logger }) {
    this.etcd = etcd;
    this.clock = deps.clock;
    this.log = deps.log;
    for (const kind of kinds) this.caches.set(kind.directory, new ResourceCache(kind, () => this.applied));
  }

  cacheOf(kind: StorageKind): ResourceCache {
    const cache = this.caches.get(kind.directory);
    if (!cache) throw new Error(`no cache for ${kind.directory}`);
    return cache;
  }

  allCaches(): Iterable<ResourceCache> {
    return this.caches.values();
  }

  /** Everything up to this revision has reached the caches. */
  get revision(): number {
    return this.applied;
  }

  get hasSynced(): boolean {
    return this.applied > 0 && !this.mustRelist;
  }

  /** Resolves when the caches are filled for the first time. */
  synced(): Promise<void> {
    return this.firstSync.promise;
  }

  /** Works until `signal` aborts; errors are retried. */
  async run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        if (this.mustRelist) await this.relist();
        failures = 0;
        const end = await this.watchOnce(signal);
        if (signal.aborted) return;
        if (end.error) this.log.warn({ err: end.error, revision: this.applied }, "etcd watch ended, resuming");
        // What happened between is compacted and cannot be told any more.
        if (end.compactedAt) this.mustRelist = true;
      } catch (error) {
        this.log.warn({ err: error }, "list from etcd failed, retrying");
      }
      failures += 1;
      // Bounded at a second: until the watch is back every cache is behind.
      await this.clock.sleep(Math.min(50 * 2 ** failures, MAX_RETRY_MS), signal).catch(() => {});
    }
  }

  /** Whether `revision` has arrived, waiting for it up to `timeoutMs`. */
  reached(revision: number, timeoutMs: number): Promise<boolean> {
    if (this.applied >= revision) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        revision,
        resolve: (reached) => {
          timer[Symbol.dispose]();
          resolve(reached);
        },
      };
      const timer = this.clock.after(timeoutMs, () => {
        this.waiters = this.waiters.filter((other) => other !== waiter);
        resolve(false);
      });
      this.waiters.push(waiter);
    });
  }

  /** etcd is not the one that the caches were filled from, or went back in time: start over. */
  historyLost(reason: string): void {
    if (this.mustRelist) return;
    this.log.warn({ reason, revision: this.applied }, "etcd history lost, listing anew");
    this.mustRelist = true;
    this.watchAbort.abort();
  }

  private async watchOnce(signal: AbortSignal): Promise<WatchEnd> {
    this.watchAbort = new AbortController();
    const handlers = {
      onStart: (clusterId: string) => this.checkCluster(clusterId),
      onEvents: (events: readonly WatchEvent[], clusterId: string) => {
        this.checkCluster(clusterId);
        if (!this.mustRelist) this.apply(events);
      },
    };
    return await runEtcdWatch(this.etcd, this.applied + 1, handlers, AbortSignal.any([signal, this.watchAbort.signal]));
  }

  /** Another cluster's revisions mean other states, however alike the numbers. */
  private checkCluster(clusterId: string): void {
    if (this.clusterId !== clusterId) this.historyLost(`cluster id ${clusterId} instead of ${this.clusterId}`);
  }

  private apply(events: readonly WatchEvent[]): void {
    let last = this.applied;
    for (const { type, kv } of events) {
      const revision = kv.modRevision;
      // A lagging member may repeat what another one had sent before.
      if (revision <= this.applied) continue;
      last = revision;
      const place = this.locate(kv.key);
      if (!place) continue;
      try {
        if (type === "put") place.cache.applyPut(place.key, revision, kv.value);
        else place.cache.applyDelete(place.key, revision);
      } catch (error) {
        this.log.error({ err: error, key: kv.key.toString() }, "unreadable object in etcd");
      }
    }
    this.advance(last);
  }

  private advance(revision: number): void {
    this.applied = revision;
    if (this.waiters.length === 0) return;
    const ready = this.waiters.filter((waiter) => waiter.revision <= revision);
    if (ready.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => waiter.revision > revision);
    // After the events: who was told must find what it waited for.
    for (const waiter of ready) waiter.resolve(true);
  }

  /** Reads everything at one revision and hands it to the caches. */
  private async relist(): Promise<void> {
    const found = new Map<ResourceCache, StoredObject[]>();
    for (const cache of this.caches.values()) found.set(cache, []);
    let revision = 0;
    let clusterId = "";
    for (let from: Buffer | undefined = Buffer.from(`${this.etcd.prefix}/`); from; ) {
      const page = await this.etcd.range({
        key: from,
        rangeEnd: Buffer.from(`${this.etcd.prefix}0`),
        limit: PAGE_SIZE,
        revision,
      });
      // All pages are of the first one's revision, or the watch would begin in the middle of them.
      revision ||= page.revision;
      clusterId = page.clusterId;
      for (const kv of page.kvs) this.collect(kv, found);
      const last = page.kvs.at(-1);
      from = page.more && last ? Buffer.concat([last.key, Buffer.from([0])]) : undefined;
    }
    this.clusterId = clusterId;
    this.applied = revision;
    for (const [cache, objects] of found) cache.replace(objects, this.applied);
    this.mustRelist = false;
    this.advance(this.applied);
    this.log.info({ revision: this.applied }, "filled the watch caches");
    this.firstSync.resolve();
  }

  /** An object that cannot be read is left out and told in the log: one bad value must not stop the cluster. */
  private collect(kv: KeyValue, found: Map<ResourceCache, StoredObject[]>): void {
    const place = this.locate(kv.key);
    if (!place) return;
    try {
      const object = decodeFromStorage(place.cache.kind, place.key, kv.modRevision, kv.value);
      found.get(place.cache)?.push(object);
    } catch (error) {
      this.log.error({ err: error, key: kv.key.toString() }, "unreadable object in etcd");
    }
  }

  /** The cache that a key of etcd belongs to; undefined for bookkeeping and unknown resources. */
  private locate(etcdKey: Buffer): { cache: ResourceCache; key: string } | undefined {
    const path = etcdKey.toString("utf8", this.etcd.prefix.length + 1);
    const first = path.indexOf("/");
    if (first < 0) return undefined;
    const core = this.caches.get(path.slice(0, first));
    if (core) return { cache: core, key: path.slice(first + 1) };
    const second = path.indexOf("/", first + 1);
    const cache = second < 0 ? undefined : this.caches.get(path.slice(0, second));
    return cache && { cache, key: path.slice(second + 1) };
  }
}

/** Bounds what one answer holds in memory while it is decoded. */
const PAGE_SIZE = 1000;
const MAX_RETRY_MS = 1000;

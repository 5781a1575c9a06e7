// Snapshots that let paged lists go on at their first page's revision without asking etcd.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { ResourceCache, Snapshot } from "../storage/resource-cache.ts";

/** A snapshot and when a page was last cut from it, in milliseconds of the monotonic clock. */
interface Kept {
  readonly snapshot: Snapshot;
  usedAt: number;
}

/** A list in chunks is of one revision, although the cache moves on between two pages. */
export class ListSnapshots {
  private readonly clock: Clock;
  private readonly kept = new Map<ResourceCache, Map<number, Kept>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Keeps the present state of a cache for a while; one snapshot per revision. */
  remember(cache: ResourceCache): void {
    const byRevision = this.kept.get(cache) ?? new Map<number, Kept>();
    this.kept.set(cache, byRevision);
    this.dropOld(byRevision);
    if (byRevision.has(cache.revision)) return;
    byRevision.set(cache.revision, { snapshot: cache.snapshot(), usedAt: this.clock.monotonic() });
    const [oldest] = byRevision.keys();
    if (byRevision.size > MAX_PER_RESOURCE && oldest !== undefined) byRevision.delete(oldest);
  }

  /** Undefined when none was kept or it has gone since; etcd's history answers then, as long as it reaches. */
  find(cache: ResourceCache, revision: number): Snapshot | undefined {
    const kept = this.kept.get(cache)?.get(revision);
    if (!kept) return undefined;
    kept.usedAt = this.clock.monotonic();
    return kept.snapshot;
  }

  private dropOld(byRevision: Map<number, Kept>): void {
    const limit = this.clock.monotonic() - KEEP_MS;
    for (const [revision, kept] of byRevision) if (kept.usedAt < limit) byRevision.delete(revision);
  }
}

/** Bounds what clients can make the server hold by starting lists that they never finish. */
const MAX_PER_RESOURCE = 8;
const KEEP_MS = 120_000;

// Snapshots that let paged lists go on at their first page's revision without asking etcd.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { ResourceCache, Snapshot } from "../storage/resource-cache.ts";

interface Kept {
  readonly snapshot: Snapshot;
  usedAt: number;
}

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

const MAX_PER_RESOURCE = 8;
const KEEP_MS = 120_000;

// Remembers the slices this controller wrote until its cache shows them, so that it does not plan on old ones.
import type { EndpointSlice } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";

/** A write that the cache has not shown after so long never will: the slice was deleted while the watch was broken. */
export const GIVE_UP_AFTER_MS = 60_000;

interface Written {
  readonly version: bigint;
  readonly atMs: number;
}

/** Upstream's EndpointSliceTracker, by resource versions instead of generations. What this process wrote; after a restart the cache is listed anew and cannot be behind. */
export class SliceTracker {
  /** By Service key, then by the slice's UID. */
  private readonly written = new Map<string, Map<string, Written>>();
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The server's answer to a write, with its new version. */
  wrote(serviceKey: string, slice: Readonly<EndpointSlice>): void {
    const slices = this.written.get(serviceKey) ?? new Map<string, Written>();
    slices.set(slice.metadata.uid, { version: versionOf(slice), atMs: this.clock.monotonic() });
    this.written.set(serviceKey, slices);
  }

  /** The slice is gone, by our hand or another's: it is waited for no longer. */
  removed(serviceKey: string, uid: string): void {
    this.written.get(serviceKey)?.delete(uid);
  }

  /** The Service is gone, and its slices with it. */
  forget(serviceKey: string): void {
    this.written.delete(serviceKey);
  }

  /** Whether `cached` lacks something that was written. Versions of one resource grow, so they compare as numbers. */
  isBehind(serviceKey: string, cached: readonly Readonly<EndpointSlice>[]): boolean {
    const versions = new Map(cached.map((slice) => [slice.metadata.uid, versionOf(slice)]));
    const oldest = this.clock.monotonic() - GIVE_UP_AFTER_MS;
    for (const [uid, { version, atMs }] of this.written.get(serviceKey) ?? []) {
      if (atMs >= oldest && (versions.get(uid) ?? -1n) < version) return true;
    }
    return false;
  }
}

function versionOf({ metadata: { resourceVersion } }: Readonly<EndpointSlice>): bigint {
  return BigInt(resourceVersion);
}

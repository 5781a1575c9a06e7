// Composes the storage layer of one apiserver process.
import type { KindDefinition } from "@skiff/api/kind.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { ChangeFeed } from "./change-feed.ts";
import { runCompactor } from "./compactor.ts";
import { type CallTracer, EtcdConnection, type EtcdOptions } from "./etcd-connection.ts";
import { EtcdKv } from "./etcd-kv.ts";
import { Freshness } from "./freshness.ts";
import { LeasePool } from "./lease-pool.ts";
import { ObjectStorage } from "./object-storage.ts";
import { registerCacheMetrics, watchStorageSize } from "./storage-metrics.ts";
import { type StorageKind, storageKind } from "./stored-object.ts";

/** Everything that the other parts get at etcd with; disposing it ends the watch and the connections. */
export interface Storage extends AsyncDisposable {
  readonly objects: ObjectStorage;
  readonly kv: EtcdKv;
  readonly feed: ChangeFeed;
  readonly kinds: readonly StorageKind[];
  /** One linearizable read; rejects while etcd does not answer. */
  ping(): Promise<void>;
}

/** Starts feeding the caches; `feed.synced()` tells when they are full. */
export function openStorage(
  options: EtcdOptions,
  definitions: readonly KindDefinition[],
  deps: { clock: Clock; log: Logger; metrics?: MetricsRegistry; tracer?: CallTracer | undefined },
): Storage {
  const kinds = definitions.map(storageKind);
  const directories = new Map(kinds.map(({ directory, definition }) => [directory, definition]));
  const etcd = new EtcdConnection(options, { ...deps, resourceOf: (key) => resourceOf(key, directories) });
  const feed = new ChangeFeed(kinds, etcd, deps);
  const kv = new EtcdKv(etcd, deps);
  const freshness = new Freshness(etcd, feed);
  const objects = new ObjectStorage({ etcd, feed, freshness, leases: new LeasePool(etcd, deps) });
  const stop = new AbortController();
  const feeding = feed.run(stop.signal);
  const compacting = feed.synced().then(() => runCompactor({ etcd, feed, kv, ...deps }, stop.signal));
  const { metrics } = deps;
  if (metrics) registerCacheMetrics(metrics, feed);
  const measuring = metrics && watchStorageSize(etcd, { ...deps, metrics }, stop.signal);
  return {
    objects,
    kv,
    feed,
    kinds,
    async ping() {
      await etcd.range({ key: Buffer.from(`${options.prefix}/skiff/tick`), countOnly: true }, PING_TIMEOUT_MS);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await feeding;
      await measuring;
      if (feed.revision > 0) await compacting;
      etcd[Symbol.dispose]();
    },
  };
}

/** Health checks must answer before those who ask give up. */
const PING_TIMEOUT_MS = 2_000;

/** For metrics: whose key it is; of the apiserver's own records the first part of the key. `key` is without the prefix. */
function resourceOf(
  key: string,
  directories: ReadonlyMap<string, KindDefinition>,
): { readonly group: string; readonly resource: string } {
  const [first = "", second = ""] = key.split("/", 3);
  // The core group's directories have no group before the resource.
  const known = directories.get(first) ?? directories.get(`${first}/${second}`);
  return known ? { group: known.group, resource: known.plural } : { group: "", resource: first };
}

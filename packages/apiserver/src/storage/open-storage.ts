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
  const etcd = new EtcdConnection(options, deps);
  const feed = new ChangeFeed(kinds, etcd, deps);
  const kv = new EtcdKv(etcd, deps);
  const freshness = new Freshness(etcd, feed);
  const objects = new ObjectStorage({ etcd, feed, freshness, leases: new LeasePool(etcd, deps) });
  const stop = new AbortController();
  const feeding = feed.run(stop.signal);
  const compacting = feed.synced().then(() => runCompactor({ etcd, feed, kv, ...deps }, stop.signal));
  if (deps.metrics) registerCacheMetrics(deps.metrics, feed);
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
      if (feed.revision > 0) await compacting;
      etcd[Symbol.dispose]();
    },
  };
}

/** Health checks must answer before those who ask give up. */
const PING_TIMEOUT_MS = 2_000;

/** Read when somebody collects them, so that they cost nothing else. */
function registerCacheMetrics(metrics: MetricsRegistry, feed: ChangeFeed): void {
  const perResource = (read: (cache: ReturnType<ChangeFeed["cacheOf"]>) => number) =>
    function* () {
      for (const cache of feed.allCaches()) {
        const { group, plural } = cache.kind.definition;
        yield { labels: { group, resource: plural }, value: read(cache) };
      }
    };
  metrics.observedGauge(
    "apiserver_storage_objects",
    "Number of stored objects at the time of last check split by kind.",
    perResource((cache) => cache.size),
  );
  metrics.observedGauge(
    "watch_cache_capacity",
    "Events that the watch cache holds for resuming watches, by resource.",
    perResource((cache) => cache.ringSize),
  );
  metrics.observedGauge(
    "watch_cache_resource_version",
    "Current resource version of watch cache broken by resource type.",
    perResource((cache) => cache.revision),
  );
  metrics.observedGauge(
    "apiserver_registered_watchers",
    "Number of currently registered watchers for a given resource.",
    perResource((cache) => cache.watcherCount),
  );
}

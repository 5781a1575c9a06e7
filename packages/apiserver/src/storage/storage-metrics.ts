// Upstream's metrics of what is stored and cached: read when somebody collects them, so that they cost nothing else.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { ChangeFeed } from "./change-feed.ts";
import type { EtcdConnection } from "./etcd-connection.ts";
import type { ResourceCache } from "./resource-cache.ts";

export function registerCacheMetrics(metrics: MetricsRegistry, feed: ChangeFeed): void {
  const perResource = (read: (cache: ResourceCache) => number) =>
    function* () {
      for (const cache of feed.allCaches()) {
        const { group, plural } = cache.kind.definition;
        yield { labels: { group, resource: plural }, value: read(cache) };
      }
    };
  metrics.observedGauge(
    "apiserver_storage_objects",
    "[DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind.",
    function* () {
      for (const cache of feed.allCaches()) {
        const { group, plural } = cache.kind.definition;
        yield { labels: { resource: group ? `${plural}.${group}` : plural }, value: cache.size };
      }
    },
  );
  const gauges: readonly [string, string, (cache: ResourceCache) => number][] = [
    ["apiserver_resource_objects", "Number of stored objects split by kind.", (cache) => cache.size],
    [
      "apiserver_resource_size_estimate_bytes",
      "Estimated size of stored objects in database, from the sizes of a few.",
      (cache) => Math.round(cache.size * cache.averageBytes()),
    ],
    ["watch_cache_capacity", "Events that the watch cache holds for resuming watches.", (cache) => cache.ringSize],
    [
      "apiserver_watch_cache_resource_version",
      "The newest revision that each watch cache has seen.",
      (cache) => cache.revision,
    ],
    ["apiserver_registered_watchers", "Watches that are open, by resource.", (cache) => cache.watcherCount],
  ];
  for (const [name, help, read] of gauges) metrics.observedGauge(name, help, perResource(read));
  const counters: readonly [string, string, (cache: ResourceCache) => number][] = [
    ["apiserver_storage_events_received_total", "Number of etcd events received split by kind.", (c) => c.received],
    [
      "apiserver_watch_cache_events_received_total",
      "Changes that reached each watch cache.",
      (cache) => cache.received,
    ],
    [
      "apiserver_terminated_watchers_total",
      "Watches that were cut because their clients did not read.",
      (cache) => cache.terminatedWatchers,
    ],
  ];
  for (const [name, help, read] of counters) metrics.observedCounter(name, help, perResource(read));
}

const SIZE_INTERVAL_MS = 30_000;

/** Keeps `apiserver_storage_size_bytes` up to date until the signal aborts; while etcd does not answer there is none. */
export async function watchStorageSize(
  etcd: EtcdConnection,
  { metrics, clock }: { readonly metrics: MetricsRegistry; readonly clock: Clock },
  signal: AbortSignal,
): Promise<void> {
  let bytes: number | undefined;
  metrics.observedGauge("apiserver_storage_size_bytes", "Bytes of etcd's database file.", () =>
    bytes === undefined ? [] : [{ labels: { storage_cluster_id: "etcd-0" }, value: bytes }],
  );
  while (!signal.aborted) {
    bytes = await etcd.databaseBytes().catch(() => undefined);
    await clock.sleep(SIZE_INTERVAL_MS, signal).catch(() => {});
  }
}

// The proxy's loop: collects changes of Services and EndpointSlices and has the backend write the rules they ask for.
import type { KubeObject } from "@skiff/api/object.ts";
import type { EndpointSlice, Service } from "@skiff/api/types.ts";
import type { Informer } from "@skiff/client/informer.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { runCommand } from "@skiff/component-base/command.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Gauge, Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { newTraceId, withTrace } from "@skiff/component-base/trace.ts";
import type { ProxyBackend } from "./backends/backend.ts";
import { conntrackArguments, planFlowDeletions } from "./conntrack.ts";
import type { ServicePort } from "./service-ports.ts";
import { servicePorts } from "./service-ports.ts";

export interface ProxierOptions {
  /** Tells endpoints of this node from others'. */
  readonly nodeName: string;
  /** How often the kernel is asked whether it still has our rules, where nothing changes. */
  readonly syncPeriodMs: number;
  /** Changes that come sooner after each other are written together. */
  readonly minSyncPeriodMs: number;
}

/** The part of an informer that the proxier needs. */
type Watched<T extends KubeObject> = Pick<Informer<T>, "lister" | "addHandler" | "synced">;

export interface ProxierDeps {
  readonly services: Watched<Service>;
  /** With the index `SLICES_BY_SERVICE`. */
  readonly slices: Watched<EndpointSlice>;
  readonly backend: ProxyBackend;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: MetricsRegistry;
}

/** The name of the index of slices by the Service they belong to. */
export const SLICES_BY_SERVICE = "service";

/** The indexer for it: `namespace/name`, or nothing for a slice that belongs to no Service. */
export function sliceService(slice: Readonly<EndpointSlice>): string[] {
  const service = slice.metadata.labels?.["kubernetes.io/service-name"];
  return service ? [`${slice.metadata.namespace}/${service}`] : [];
}

/** A sync that keeps failing for this many periods makes the node unhealthy for load balancers. */
const UNHEALTHY_AFTER_PERIODS = 2;
/** The pause after a sync that failed, as another program's lock on the tables or a full disk will still be there at once. */
const RETRY_MS = 2000;

/**
 * Level-driven: an event only says that something changed, and a sync plans from what the informers hold then. So it does not
 * matter how many changes one sync stands for, nor that a failed one is repeated.
 */
export class Proxier {
  private readonly options: ProxierOptions;
  private readonly deps: ProxierDeps;
  private readonly latency: Histogram;
  private readonly lastSync: Gauge;
  private wake: () => void = () => {};
  /** Monotonic time of the oldest change that no sync has written yet. */
  private pendingSinceMs: number | undefined;
  /** What the last successful sync wrote: stale UDP flows are found by the difference. Empty after a restart. */
  private written: readonly ServicePort[] = [];
  private lastSyncedEpochMs = 0;

  constructor(options: ProxierOptions, deps: ProxierDeps) {
    this.options = options;
    this.deps = deps;
    this.latency = deps.metrics.histogram(
      "kubeproxy_sync_proxy_rules_duration_seconds",
      "SyncProxyRules latency in seconds",
    );
    this.lastSync = deps.metrics.gauge(
      "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
      "The last time proxy rules were successfully synced",
    );
    this.pendingSinceMs = deps.clock.monotonic();
  }

  /** Milliseconds since the epoch of the last sync that worked; 0 before the first. */
  get lastUpdatedMs(): number {
    return this.lastSyncedEpochMs;
  }

  /** False while changes wait for longer than a healthy proxy takes to write them. */
  get isHealthy(): boolean {
    if (this.lastSyncedEpochMs === 0) return false;
    if (this.pendingSinceMs === undefined) return true;
    return this.deps.clock.monotonic() - this.pendingSinceMs < UNHEALTHY_AFTER_PERIODS * this.options.syncPeriodMs;
  }

  /** Syncs until the signal aborts. The rules stay when the program goes: connections outlive it. */
  async run(signal: AbortSignal): Promise<void> {
    using _services = this.deps.services.addHandler(this.onAnyChange());
    using _slices = this.deps.slices.addHandler(this.onAnyChange());
    // An early sync of half the picture would cut the Services whose slices have not come yet.
    await Promise.all([this.deps.services.synced(signal), this.deps.slices.synced(signal)]);
    let full = true;
    while (!signal.aborted) {
      const worked = await withTrace(newTraceId(), () => this.syncOnce(full, signal));
      const lostRules = await this.waitForWork(worked, signal);
      // After a failure it is unknown how much of the rules the kernel took.
      full = !worked || lostRules;
    }
  }

  private onAnyChange() {
    const onChange = () => this.noteChange();
    return { onAdd: onChange, onUpdate: onChange, onDelete: onChange };
  }

  private noteChange(): void {
    this.pendingSinceMs ??= this.deps.clock.monotonic();
    this.wake();
  }

  private async syncOnce(full: boolean, signal: AbortSignal): Promise<boolean> {
    const { services, slices, backend, clock, log } = this.deps;
    const startMs = clock.monotonic();
    const pendingSinceMs = this.pendingSinceMs ?? startMs;
    // Before the listers are read: a change from here on may be missing from this sync, and asks for another.
    this.pendingSinceMs = undefined;
    const ports = servicePorts(
      services.lister.list(),
      (service) => slices.lister.byIndex(SLICES_BY_SERVICE, `${service.metadata.namespace}/${service.metadata.name}`),
      this.options.nodeName,
    );
    try {
      await backend.sync(ports, full, signal);
      // After the rules: before, a client's next datagram would make the same flow again.
      await this.forgetStaleFlows(ports, signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // The oldest change still waits. Counting from this try would call a proxy healthy for as long as it keeps trying.
      this.pendingSinceMs = pendingSinceMs;
      log.warn({ err: error, retryMs: RETRY_MS }, "sync failed");
      return false;
    }
    this.written = ports;
    this.lastSyncedEpochMs = clock.now();
    this.lastSync.set(this.lastSyncedEpochMs / 1000);
    this.latency.observe((clock.monotonic() - startMs) / 1000);
    log.debug({ ports: ports.length, full, tookMs: Math.round(clock.monotonic() - startMs) }, "synced rules");
    return true;
  }

  private async forgetStaleFlows(ports: readonly ServicePort[], signal: AbortSignal): Promise<void> {
    for (const deletion of planFlowDeletions(this.written, ports)) {
      // Exit code 1 says that there was no such flow.
      try {
        await runCommand("conntrack", conntrackArguments(deletion), { signal });
      } catch (error) {
        if (signal.aborted) throw error;
        // The rules are written: a machine without the tool keeps some old UDP flows, but must not lose its Services.
        this.deps.log.warn({ err: error, ...deletion }, "cannot forget stale UDP flows; is conntrack installed?");
        return;
      }
    }
  }

  /** Waits for the next change or period; true asks for a full sync because the kernel lost our rules. */
  private async waitForWork(worked: boolean, signal: AbortSignal): Promise<boolean> {
    const { clock, backend } = this.deps;
    // Not cut short by changes: they gather, and one sync writes them all.
    await clock.sleep(worked ? this.options.minSyncPeriodMs : RETRY_MS, signal);
    while (this.pendingSinceMs === undefined) {
      const periodic = await this.changeOrTimeout(signal);
      if (!periodic) return false;
      if (await backend.wasFlushed(signal)) {
        this.deps.log.warn("somebody removed our rules; writing all of them again");
        return true;
      }
    }
    return false;
  }

  /** True when the period passed without a change. */
  private async changeOrTimeout(signal: AbortSignal): Promise<boolean> {
    const waiting = new AbortController();
    const timer = this.deps.clock.sleep(this.options.syncPeriodMs, AbortSignal.any([signal, waiting.signal])).then(
      () => true,
      () => {
        signal.throwIfAborted();
        return false;
      },
    );
    // Replaced each time, and a change between the caller's look and here is seen by the second look.
    const change = new Promise<boolean>((resolve) => {
      this.wake = () => resolve(false);
      if (this.pendingSinceMs !== undefined) resolve(false);
    });
    try {
      return await Promise.race([timer, change]);
    } finally {
      this.wake = () => {};
      waiting.abort();
    }
  }
}

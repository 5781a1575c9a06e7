// Keeps the node alive when it runs out of something: reclaims what nobody uses, then evicts pods one at a time.
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Counter, Histogram, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { isCriticalPod } from "../static-pods/annotations.ts";
import type { Measured } from "./measure-pods.ts";
import type { PressureMemory, PressureType } from "./pressure.ts";
import { judgePressure, NO_PRESSURE, RESOURCE_OF, thresholdsMet } from "./pressure.ts";
import {
  evictionAnnotations,
  evictionMessage,
  kibis,
  limitsLocalStorage,
  localStorageProblem,
  rankPods,
} from "./rank-pods.ts";
import type { NodeObservations } from "./signals.ts";
import type { Threshold } from "./thresholds.ts";
import { amountOf } from "./thresholds.ts";

/** `transitionMs` is how long a pressure must be gone before the node is called well. */
export interface EvictionOptions {
  readonly thresholds: readonly Threshold[];
  readonly transitionMs: number;
  /** The longest grace of a soft eviction; negative for the pod's own. */
  readonly maxPodGraceSeconds: number;
  /** Whether pods are held to their own limits of local storage. */
  readonly isolatesStorage: boolean;
}

/** `message` goes into the pod's status, `annotations` onto the event, where programs read them. */
export interface Eviction {
  readonly message: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly graceSeconds: number;
}

export interface EvictionDeps {
  observe(): Promise<NodeObservations>;
  /** Those that still hold resources. */
  activePods(): readonly Readonly<Pod>[];
  measure(pods: readonly Readonly<Pod>[]): Promise<readonly Measured[]>;
  /** Ends the pod as evicted; resolves once its containers have stopped and its volumes are gone. */
  evict(pod: Readonly<Pod>, eviction: Eviction): Promise<void>;
  /** Resolves with how many went. */
  removeDeadContainers(): Promise<number>;
  removeUnusedImages(): Promise<void>;
  onConditions(): void;
  readonly events: { warn(reason: string, message: string): void };
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Upstream's interval between looks. */
const PERIOD_MS = 10_000;
/** Upstream gives what a pod leaves behind this long to be gone before it looks whether that was enough. */
const CLEANUP_LIMIT_MS = 30_000;
/** And its containers this long at least to stop, which a grace may lengthen. */
const SHORTEST_STOP_MS = 10_000;
/** containerd takes some seconds to give back the disk of a container that it has removed. */
const GIVE_BACK_LIMIT_MS = 10_000;
const GIVE_BACK_LOOK_MS = 500;
/** A hard threshold leaves no time for more: memory may be gone in seconds. */
const IMMEDIATE_GRACE_SECONDS = 1;

/**
 * The node's own defence, apart from the API's evictions: no PodDisruptionBudget holds it back, as a node without
 * memory would take all its pods down. The pod becomes Failed with the reason Evicted.
 */
export class EvictionManager {
  private readonly options: EvictionOptions;
  private readonly deps: EvictionDeps;
  private readonly evictions: Counter;
  private readonly ages: Histogram;
  private memory: PressureMemory = NO_PRESSURE;
  private conditions: readonly PressureType[] = [];

  constructor(options: EvictionOptions, deps: EvictionDeps) {
    this.options = options;
    this.deps = deps;
    this.evictions = deps.metrics.counter("kubelet_evictions", "Cumulative number of pod evictions by eviction signal");
    this.ages = deps.metrics.histogram(
      "kubelet_eviction_stats_age_seconds",
      "Time between when stats are collected, and when pod is evicted based on those stats by eviction signal",
    );
  }

  /** What the node is short of. */
  get pressures(): readonly PressureType[] {
    return this.conditions;
  }

  /** Works until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let evicted: Readonly<Pod> | undefined;
      try {
        evicted = await this.synchronize(signal);
      } catch (error) {
        this.deps.log.warn({ err: error }, "eviction could not be judged, trying again");
      }
      // After an eviction the next look follows at once: one pod may not have been enough.
      if (!evicted) await this.deps.clock.sleep(PERIOD_MS, signal).catch(() => {});
    }
  }

  /** One look; the pod that it evicted, if any. */
  async synchronize(signal?: AbortSignal): Promise<Readonly<Pod> | undefined> {
    const observed = await this.deps.observe();
    const startedAt = this.deps.clock.monotonic();
    const { thresholds, transitionMs } = this.options;
    const verdict = judgePressure(thresholds, observed.signals, this.memory, startedAt, transitionMs);
    this.memory = verdict.memory;
    this.tell(verdict.conditions);
    const offender = this.options.isolatesStorage ? await this.evictOverLimit() : undefined;
    if (offender) return offender;
    const [threshold] = verdict.due;
    if (!threshold) return undefined;
    const resource = RESOURCE_OF[threshold.signal];
    this.deps.log.warn({ signal: threshold.signal, resource }, "node is short of a resource, reclaiming it");
    this.deps.events.warn("EvictionThresholdMet", `Attempting to reclaim ${resource}`);
    if (await this.reclaimFromNode(threshold, observed, signal)) return undefined;
    return this.evictOne(threshold, observed, startedAt);
  }

  private tell(conditions: readonly PressureType[]): void {
    const changed =
      conditions.length !== this.conditions.length || conditions.some((type) => !this.conditions.includes(type));
    this.conditions = conditions;
    if (changed) this.deps.onConditions();
  }

  private async evictOverLimit(): Promise<Readonly<Pod> | undefined> {
    const limited = this.deps.activePods().filter(limitsLocalStorage);
    for (const figures of await this.deps.measure(limited)) {
      const message = localStorageProblem(figures, figures.emptyDirs);
      if (!message || isCriticalPod(figures.pod)) continue;
      const signal = message.startsWith("Usage of EmptyDir") ? "emptydirfs.limit" : "ephemeralcontainerfs.limit";
      await this.evict(figures.pod, { message, graceSeconds: IMMEDIATE_GRACE_SECONDS }, signal);
      return figures.pod;
    }
    return undefined;
  }

  /** Dead containers and unused images first: true when that was enough. */
  private async reclaimFromNode(
    threshold: Threshold,
    { hasDedicatedImageFs }: NodeObservations,
    signal: AbortSignal | undefined,
  ): Promise<boolean> {
    const onDisk = ["ephemeral-storage", "inodes"].includes(RESOURCE_OF[threshold.signal]);
    // Images on a disk of their own do not fill the node's.
    if (!onDisk || (threshold.signal.startsWith("nodefs") && hasDedicatedImageFs)) return false;
    const { log, clock } = this.deps;
    const removed = await this.deps.removeDeadContainers().catch((error) => {
      log.warn({ err: error }, "dead containers not removed");
      return 0;
    });
    await this.deps.removeUnusedImages().catch((error) => log.warn({ err: error }, "unused images not removed"));
    const until = clock.monotonic() + (removed > 0 ? GIVE_BACK_LIMIT_MS : 0);
    for (;;) {
      if (await this.isEnough(threshold)) return true;
      if (clock.monotonic() >= until) return false;
      await clock.sleep(GIVE_BACK_LOOK_MS, signal);
    }
  }

  /** With the minimum reclaim: freeing just enough would bring the node back here at once. */
  private async isEnough(threshold: Threshold): Promise<boolean> {
    const { signals } = await this.deps.observe();
    return thresholdsMet(this.memory.met.length > 0 ? this.memory.met : [threshold], signals, true).length === 0;
  }

  private async evictOne(
    threshold: Threshold,
    { signals }: NodeObservations,
    observedAt: number,
  ): Promise<Readonly<Pod> | undefined> {
    const resource = RESOURCE_OF[threshold.signal];
    const ranked = rankPods(await this.deps.measure(this.deps.activePods()), resource);
    const observation = signals.get(threshold.signal);
    const shown = observation && {
      quantity:
        "amount" in threshold.value ? threshold.value.text : kibis(amountOf(threshold.value, observation.capacity)),
      available: kibis(observation.available),
    };
    for (const figures of ranked) {
      // Those that keep the node or the cluster running stay, whatever they use.
      if (isCriticalPod(figures.pod)) continue;
      const message = evictionMessage(figures, { resource, threshold: shown });
      const annotations = evictionAnnotations(figures, resource);
      const graceSeconds = this.grace(threshold, figures.pod);
      await this.evict(figures.pod, { message, annotations, graceSeconds }, threshold.signal);
      this.ages.observe((this.deps.clock.monotonic() - observedAt) / 1000, { eviction_signal: threshold.signal });
      return figures.pod;
    }
    this.deps.log.error({ signal: threshold.signal }, "node is short of a resource, and no pod can be evicted");
    return undefined;
  }

  private grace({ isSoft }: Threshold, pod: Readonly<Pod>): number {
    if (!isSoft) return IMMEDIATE_GRACE_SECONDS;
    const own = pod.spec?.terminationGracePeriodSeconds ?? 30;
    const most = this.options.maxPodGraceSeconds;
    return most < 0 ? own : Math.min(own, most);
  }

  private async evict(pod: Readonly<Pod>, eviction: Eviction, signal: string): Promise<void> {
    const { deps } = this;
    deps.log.warn({ pod: `${pod.metadata.namespace}/${pod.metadata.name}`, signal }, "evicting pod");
    this.evictions.inc({ eviction_signal: signal });
    const stop = new AbortController();
    // Until it has stopped it may go on filling the disk, and the next pod would be evicted for what it does.
    const stopMs = Math.max(SHORTEST_STOP_MS, eviction.graceSeconds * 1500);
    const limit = deps.clock.sleep(stopMs + CLEANUP_LIMIT_MS, stop.signal).catch(() => {});
    await Promise.race([deps.evict(pod, eviction), limit]);
    stop.abort();
  }
}

// What keeps the node in shape beside its pods' own workers: log rotation, image collection, eviction, static pods, and news of kills.

import { quantityValue } from "@skiff/api/quantity.ts";
import { pods } from "@skiff/api/resource-ref.ts";
import type { Node, ObjectReference, Pod } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import type { CgroupFs } from "./cgroups/cgroup-fs.ts";
import type { PodCgroups } from "./cgroups/pod-cgroups.ts";
import type { KubeletConfig } from "./config.ts";
import { LogRotator } from "./container-logs/log-rotator.ts";
import type { CriClient } from "./cri/cri-client.ts";
import type { Recorder } from "./events/pod-events.ts";
import type { Eviction } from "./eviction/eviction-manager.ts";
import { EvictionManager } from "./eviction/eviction-manager.ts";
import { measurePods } from "./eviction/measure-pods.ts";
import { observeSignals } from "./eviction/signals.ts";
import type { Threshold } from "./eviction/thresholds.ts";
import { ImageCollector } from "./images/image-collector.ts";
import type { PullRecords } from "./images/pull-records/pull-records.ts";
import type { Victim } from "./node/oom-watcher.ts";
import { watchOom } from "./node/oom-watcher.ts";
import type { Pleg } from "./pleg.ts";
import type { PodPaths } from "./pod-paths.ts";
import type { PodWorkers } from "./pod-workers.ts";
import type { GarbageCollector } from "./runtime/garbage-collector.ts";
import { shutdownClasses } from "./shutdown/plan-shutdown.ts";
import type { ShutdownManager } from "./shutdown/shutdown-manager.ts";
import { MirrorPods } from "./static-pods/mirror-pods.ts";
import type { ManifestSource } from "./static-pods/static-pods.ts";
import { StaticPods } from "./static-pods/static-pods.ts";
import type { StatusManager } from "./status/status-manager.ts";

export interface UpkeepDeps {
  readonly client: RestClient;
  readonly cri: CriClient;
  readonly cgroupFs: CgroupFs;
  readonly podCgroups: PodCgroups;
  readonly paths: PodPaths;
  readonly pleg: Pleg;
  readonly workers: PodWorkers;
  readonly collector: GarbageCollector;
  readonly statuses: StatusManager;
  readonly recorder: Recorder;
  readonly records: PullRecords;
  readonly thresholds: readonly Threshold[];
  /** What all pods together may hold. */
  readonly podsMemoryBytes: number;
  node(): Readonly<Node> | undefined;
  /** The node's conditions have changed. */
  onPressure(): void;
}

/** Composes the node's own loops; what few nodes need is loaded only there. */
export class Upkeep {
  readonly mirrors: MirrorPods;
  private readonly config: KubeletConfig;
  private readonly context: ProgramContext;
  private readonly deps: UpkeepDeps;
  private readonly rotator: LogRotator;
  private readonly images: ImageCollector;
  private readonly eviction: EvictionManager;
  /** Until the sources of static pods are at hand, nobody may think that there are none. */
  private readonly statics = Promise.withResolvers<StaticPods>();
  private shutdown: ShutdownManager | undefined;

  constructor(config: KubeletConfig, context: ProgramContext, deps: UpkeepDeps) {
    this.config = config;
    this.context = context;
    this.deps = deps;
    this.rotator = this.makeRotator();
    this.images = this.makeImageCollector();
    this.eviction = this.makeEviction();
    this.mirrors = this.makeMirrors();
  }

  /** What the node is short of. */
  get pressures(): readonly string[] {
    return this.eviction.pressures;
  }

  get isShuttingDown(): boolean {
    return this.shutdown?.isShuttingDown ?? false;
  }

  /** Works until the signal aborts. Start it once the runtime's pods are known. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.context;
    const onSystemOom = ({ process, pid }: Victim) =>
      this.nodeEvents().warn("SystemOOM", `System OOM encountered, victim process: ${process}, pid: ${pid}`);
    const oom = watchOom({ onSystemOom, clock, log }, signal);
    const shutdown = this.runShutdown(signal);
    await Promise.all([this.rotator.run(signal), this.images.run(signal), this.eviction.run(signal), oom, shutdown]);
  }

  /** Runs static pods, where a source of them is configured; they need no API. */
  async runStatic(signal: AbortSignal): Promise<void> {
    const { clock } = this.context;
    const sources = await this.manifestSources();
    const { workers } = this.deps;
    const statics = new StaticPods({ sources, workers, mirrors: this.mirrors, clock });
    this.statics.resolve(statics);
    // Mirrors that an earlier kubelet left are removed even where static pods are configured no more.
    if (sources.length === 0) await this.mirrors.run(signal);
    else await statics.run(signal);
  }

  /** Resolves once it is known which static pods there are. */
  async staticSynced(): Promise<void> {
    await (await this.statics.promise).synced();
  }

  private makeRotator(): LogRotator {
    const { settings } = this.config;
    const { clock, log } = this.context;
    const { cri, pleg } = this.deps;
    const options = {
      maxSize: quantityValue(settings.containerLogMaxSize),
      maxFiles: settings.containerLogMaxFiles,
      intervalMs: settings.containerLogMonitorInterval,
      workers: settings.containerLogMaxWorkers,
    };
    return new LogRotator(options, { cri, clock, log, pods: () => pleg.pods() });
  }

  private makeImageCollector(): ImageCollector {
    const { settings } = this.config;
    const { clock, log, metrics } = this.context;
    const options = {
      highPercent: settings.imageGCHighThresholdPercent,
      lowPercent: settings.imageGCLowThresholdPercent,
      minAgeMs: settings.imageMinimumGCAge,
      maxAgeMs: settings.imageMaximumGCAge,
      sandboxImage: this.config["pod-infra-container-image"],
    };
    const { cri, records } = this.deps;
    return new ImageCollector(options, { cri, records, events: this.nodeEvents(), metrics, clock, log });
  }

  private makeEviction(): EvictionManager {
    const { settings } = this.config;
    const { clock, log, metrics } = this.context;
    const { cri, cgroupFs, podCgroups, paths, workers, pleg, collector, thresholds, podsMemoryBytes } = this.deps;
    const observed = {
      cri,
      cgroups: cgroupFs,
      rootDir: paths.root,
      kubepods: podCgroups.kubepods,
      allocatableMemoryBytes: podsMemoryBytes,
    };
    return new EvictionManager(
      {
        thresholds: withPodsMemory(thresholds),
        transitionMs: settings.evictionPressureTransitionPeriod,
        maxPodGraceSeconds: settings.evictionMaxPodGracePeriod,
        isolatesStorage: settings.localStorageCapacityIsolation,
      },
      {
        observe: () => observeSignals(observed),
        activePods: () => workers.active(),
        measure: (active) => measurePods(active, { cri, cgroups: cgroupFs, podCgroups, paths }),
        evict: (pod, eviction) => this.evict(pod, eviction),
        removeDeadContainers: async () => {
          // What a pod wrote into its containers is gone with them alone, so those of evicted pods go whole.
          let removed = 0;
          for (const pod of pleg.pods()) {
            removed += await (workers.hasEnded(pod.uid) ? collector.clear(pod) : collector.trim(pod, 0));
          }
          return removed;
        },
        removeUnusedImages: async () => {
          await this.images.removeUnused();
        },
        onConditions: () => this.deps.onPressure(),
        events: this.nodeEvents(),
        metrics,
        clock,
        log,
      },
    );
  }

  private async evict(pod: Readonly<Pod>, { message, annotations, graceSeconds }: Eviction): Promise<void> {
    // As a disruption, which the pod's DisruptionTarget condition tells, it need not count against a Job's retries.
    const verdict = { phase: "Failed", reason: "Evicted", message, annotations, isDisruption: true } as const;
    await this.deps.workers.evict(pod.metadata.uid ?? "", verdict, graceSeconds);
  }

  /** Loaded only where pods have time at a shutdown. */
  private async runShutdown(signal: AbortSignal): Promise<void> {
    const classes = shutdownClasses(this.config.settings);
    if (classes.length === 0) return;
    const [{ Logind }, { ShutdownManager }] = await Promise.all([
      import("./shutdown/logind.ts"),
      import("./shutdown/shutdown-manager.ts"),
    ]);
    const { clock, log } = this.context;
    const { workers, onPressure } = this.deps;
    this.shutdown = new ShutdownManager(classes, {
      inhibitor: new Logind(clock),
      clock,
      log,
      activePods: () => workers.active(),
      end: ({ metadata }, verdict, graceSeconds) => workers.evict(metadata.uid ?? "", verdict, graceSeconds),
      onChange: onPressure,
      tell: (message) => this.nodeEvents().say("Shutdown", message),
    });
    await this.shutdown.run(signal);
  }

  private makeMirrors(): MirrorPods {
    const { clock, log } = this.context;
    const { client, statuses, workers } = this.deps;
    return new MirrorPods({
      client: client.of(pods),
      node: () => this.deps.node(),
      isEnding: (namespace, name) => workers.find(namespace, name) !== undefined,
      onMirror: (uid, mirror) => statuses.observeMirror(uid, mirror),
      clock,
      log,
    });
  }

  /** Loaded only where static pods are configured: reading manifests takes the whole of the Pod's schema. */
  private async manifestSources(): Promise<ManifestSource[]> {
    const { settings, nodeName } = this.config;
    const { clock, log } = this.context;
    const sources: ManifestSource[] = [];
    if (settings.staticPodPath) {
      const { ManifestFolder } = await import("./static-pods/manifest-folder.ts");
      const options = { path: settings.staticPodPath, nodeName, pollMs: settings.fileCheckFrequency };
      sources.push(new ManifestFolder(options, { clock, log }));
    }
    if (settings.staticPodURL) {
      const { ManifestUrl } = await import("./static-pods/manifest-url.ts");
      const { staticPodURL: url, staticPodURLHeader: headers, httpCheckFrequency: pollMs } = settings;
      sources.push(new ManifestUrl({ url, headers, nodeName, pollMs }, { clock, log }));
    }
    return sources;
  }

  private nodeEvents() {
    const { nodeName } = this.config;
    // Events about nodes carry the name for a UID, as upstream, which is what `kubectl describe node` searches for.
    const node: ObjectReference = { kind: "Node", name: nodeName, uid: nodeName, apiVersion: "v1" };
    const { recorder } = this.deps;
    return {
      warn: (reason: string, message: string) => recorder.record(node, "Warning", reason, message),
      say: (reason: string, message: string) => recorder.record(node, "Normal", reason, message),
    };
  }
}

/** Pods' own allowance of memory is held to the node's hard threshold too. */
function withPodsMemory(thresholds: readonly Threshold[]): Threshold[] {
  const hard = thresholds.find(({ signal, isSoft }) => signal === "memory.available" && !isSoft);
  return hard ? [...thresholds, { ...hard, signal: "allocatableMemory.available" }] : [...thresholds];
}

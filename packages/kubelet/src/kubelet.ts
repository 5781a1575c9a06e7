// Composes the kubelet: what feeds the pod workers, what they act through, and what shows them to the world.
import { pods, services } from "@skiff/api/resource-ref.ts";
import type { Pod, Service } from "@skiff/api/types.ts";
import { DelegatedAuth } from "@skiff/client/delegated-auth.ts";
import type { EventRecorder } from "@skiff/client/event-recorder.ts";
import { Informer } from "@skiff/client/informer.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { HealthCheck } from "@skiff/component-base/health-checks.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { makeResizer } from "./allocation/make-resizer.ts";
import type { PodResizer } from "./allocation/pod-resizer.ts";
import type { CpuQuotas } from "./cgroups/cpu-quotas.ts";
import type { MachineLimits } from "./cgroups/machine-limits.ts";
import { machineLimits } from "./cgroups/machine-limits.ts";
import type { Cgroups } from "./cgroups/open-cgroups.ts";
import { PodCgroups } from "./cgroups/pod-cgroups.ts";
import type { KubeletConfig } from "./config.ts";
import { configzOf } from "./configz.ts";
import type { CriClient } from "./cri/cri-client.ts";
import { exitEvents } from "./cri/exit-events.ts";
import { PodEvents } from "./events/pod-events.ts";
import { Housekeeper } from "./housekeeper.ts";
import type { CredentialProviders } from "./images/credential-providers/credential-providers.ts";
import { ImageManager } from "./images/image-manager.ts";
import { imageOptions, recordOptions } from "./images/image-options.ts";
import { NodeLogins } from "./images/node-logins.ts";
import { PullRecords } from "./images/pull-records/pull-records.ts";
import { makePodWorkers } from "./make-pod-workers.ts";
import { KubeletMetrics } from "./metrics/kubelet-metrics.ts";
import { observeKubelet } from "./metrics/observe-kubelet.ts";
import { podsMemoryBytes } from "./node/allocatable.ts";
import { KnownNode } from "./node/known-node.ts";
import type { MachineInfo } from "./node/machine-info.ts";
import { makeNodeAgent } from "./node/make-node-agent.ts";
import type { NodeAgent } from "./node/node-agent.ts";
import type { NodeShape } from "./node/node-shape.ts";
import { NodeAdmission } from "./node-admission.ts";
import { Pleg } from "./pleg.ts";
import type { PodPaths } from "./pod-paths.ts";
import { feedPods, withoutManagedFields, withoutSource } from "./pod-source.ts";
import type { PodSyncer } from "./pod-syncer.ts";
import type { PodWorkers } from "./pod-workers.ts";
import { ProbeManager } from "./probes/probe-manager.ts";
import { devicePluginHandler } from "./resource-managers/devices/device-plugin-handler.ts";
import { makeResourceManagers } from "./resource-managers/make-resource-managers.ts";
import type { ResourceManagers } from "./resource-managers/resource-managers.ts";
import { deadContainerLimits, GarbageCollector } from "./runtime/garbage-collector.ts";
import { LifecycleHooks } from "./runtime/lifecycle-hooks.ts";
import { PodKiller } from "./runtime/pod-killer.ts";
import { RuntimeReader } from "./runtime/runtime-reader.ts";
import { gateOptions, StartGate } from "./runtime/start-gate.ts";
import { ServedPods } from "./served-pods.ts";
import { type ServedKubelet, serveKubelet } from "./server/index.ts";
import { authOptions, serverOptionsOf } from "./server/server-options.ts";
import { StatusManager } from "./status/status-manager.ts";
import { Upkeep } from "./upkeep.ts";
import { NodeStorage } from "./volumes/node-storage.ts";
import { ObjectCache } from "./volumes/object-cache.ts";
import type { SelinuxHost } from "./volumes/selinux/selinux-host.ts";
import type { TokenManager } from "./volumes/token-manager.ts";
import type { VolumeManager } from "./volumes/volume-manager.ts";

/** What the kubelet is made of that outlives it, or that others share. */
export interface Parts {
  readonly machine: MachineInfo;
  readonly node: NodeShape;
  readonly paths: PodPaths;
  readonly client: RestClient;
  readonly cri: CriClient;
  readonly cgroups: Cgroups;
  readonly recorder: EventRecorder;
  readonly tokens: TokenManager;
  /** Undefined on a node without SELinux. */
  readonly selinux: SelinuxHost | undefined;
  readonly providers?: CredentialProviders | undefined;
}

export class Kubelet {
  private readonly config: KubeletConfig;
  private readonly context: ProgramContext;
  private readonly parts: Parts;
  private readonly pods: Informer<Pod>;
  private readonly services: Informer<Service>;
  private readonly pleg: Pleg;
  private readonly reader: RuntimeReader;
  private readonly events: PodEvents;
  private readonly records: PullRecords;
  private readonly images: ImageManager;
  private readonly objects: ObjectCache;
  private readonly tokens: TokenManager;
  private readonly storage: NodeStorage;
  private readonly cgroups: PodCgroups;
  private readonly limits: MachineLimits;
  private readonly probeMetrics = new MetricsRegistry();
  private readonly kubeletMetrics: KubeletMetrics;
  private readonly probes: ProbeManager;
  private readonly statuses: StatusManager;
  private readonly gate: StartGate;
  private readonly resizer: PodResizer;
  private readonly resources: ResourceManagers;
  private readonly admission: NodeAdmission;
  private readonly collector: GarbageCollector;
  private readonly killer: PodKiller;
  private readonly syncer: PodSyncer;
  private readonly workers: PodWorkers;
  private readonly agent: NodeAgent;
  private readonly upkeep: Upkeep;
  private readonly node: KnownNode;

  constructor(config: KubeletConfig, context: ProgramContext, parts: Parts) {
    this.config = config;
    this.context = context;
    this.parts = parts;
    const { clock, log, signal } = context;
    this.kubeletMetrics = new KubeletMetrics(context.metrics);
    const { client, cri, paths, recorder, machine } = parts;
    const { files: cgroupFs, maker, names } = parts.cgroups;
    const shared = { clock, log };
    const hostIps = config.nodeIps;
    const mine = { fieldSelector: `spec.nodeName=${config.nodeName}`, transform: withoutSource };
    this.pods = new Informer<Pod>(client.of(pods), mine, shared);
    this.services = new Informer<Service>(client.of(services), { transform: withoutManagedFields<Service> }, shared);
    this.node = new KnownNode({ cri, log, client, config, signal });
    this.events = new PodEvents(recorder);
    this.reader = new RuntimeReader(cri);
    const exits = (until: AbortSignal) =>
      exitEvents(cri, { endpoint: config["container-runtime-endpoint"], clock }, until);
    this.pleg = new Pleg({ reader: this.reader, exits, ...shared });
    this.objects = new ObjectCache(client, shared, signal);
    this.tokens = parts.tokens;
    const { objects, tokens, events } = this;
    const { providers } = parts;
    const nodeLogins = new NodeLogins(config["root-dir"]);
    const { metrics } = context;
    this.records = new PullRecords(recordOptions(config.settings, config["root-dir"]), { cri, metrics, ...shared });
    const { records } = this;
    const logins = { nodeLogins, providers };
    const imageDeps = { cri, objects, events, clock, metrics, records, ...logins };
    this.images = new ImageManager(imageOptions(config.settings), imageDeps);
    this.storage = new NodeStorage({
      ...{ nodeName: config.nodeName, client, paths, objects, tokens, events, metrics, signal, ...shared },
      selinux: parts.selinux,
      wake: (uids) => this.wake(uids),
      node: () => this.node.current,
      plugins: { DevicePlugin: async () => devicePluginHandler(this.resources.devices) },
      onInUse: () => this.agent.poke(),
    });
    const hasOwnCpus: CpuQuotas["hasOwnCpus"] = (pod, container) => this.resources.hasOwnCpus(pod, container);
    this.limits = machineLimits(config.settings, machine, cgroupFs, hasOwnCpus);
    const places = { root: config["cgroup-root"], names, podPidsLimit: config["pod-max-pids"] };
    this.cgroups = new PodCgroups({ ...this.limits, ...parts.node.pods, ...places }, maker);
    const runtime = (uid: string) => this.pleg.get(uid);
    this.probes = new ProbeManager({ cri, events, metrics: this.probeMetrics, hostIps, runtime, ...shared });
    const mirrorOf = (pod: Readonly<Pod>) => this.upkeep.mirrors.get(pod);
    this.gate = new StartGate(gateOptions(machine.cpus), { clock });
    const isBusy = () => this.gate.hasStarts;
    recorder.isBusy = isBusy;
    this.statuses = new StatusManager({ client: client.of(pods), mirrorOf, isBusy, ...shared }, signal);
    this.collector = new GarbageCollector(deadContainerLimits(config), { cri, paths, gate: this.gate, clock });
    const hooks = new LifecycleHooks({ cri, clock });
    this.killer = new PodKiller({ cri, hooks, gate: this.gate, events: this.events, ...shared });
    this.resizer = this.makeResizer();
    const late = { workers: () => this.workers, onCapacity: () => this.agent.poke(), metrics };
    this.resources = makeResourceManagers({ ...parts, ...shared, ...late, config, pleg: this.pleg });
    this.admission = this.makeAdmission();
    const { syncer, workers: made } = makePodWorkers(config, context, { ...parts, ...this.workerParts(hooks) });
    this.syncer = syncer;
    this.workers = made;
    this.agent = this.makeAgent();
    this.upkeep = this.makeUpkeep();
    const { pleg, workers, kubeletMetrics } = this;
    observeKubelet(kubeletMetrics, { nodeName: config.nodeName, registry: context.metrics, pleg, workers, clock });
  }

  private wake(uids: readonly string[]): void {
    for (const uid of uids) this.workers.wake(uid);
  }

  private get volumes(): VolumeManager {
    return this.storage.volumes;
  }

  /** Fail while the kubelet does not see what its containers do. */
  get checks(): HealthCheck[] {
    const check = () => {
      const problem = this.pleg.healthProblem();
      if (problem) throw new Error(problem);
    };
    return [
      { name: "ping", check: () => {} },
      { name: "syncloop", check },
    ];
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.cgroups.setUp();
    await Promise.all([this.resizer.restore(), this.resources.restore()]);
    this.pleg.onChange = (uid) => this.workers.wake(uid);
    this.pleg.isBusy = (uid) => this.workers.isBusy(uid);
    this.probes.onChange = (uid) => this.workers.wake(uid);
    this.objects.onChange = (uids) => this.wake(uids);
    await Promise.all([
      this.pods.run(signal),
      this.services.run(signal),
      this.pleg.run(signal),
      this.agent.run(signal),
      this.storage.run(signal),
      this.resources.run(signal),
      this.dispatch(signal),
      // As static pods may be what the API itself runs on, they wait for the runtime alone.
      this.pleg.synced().then(() => Promise.all([this.upkeep.run(signal), this.upkeep.runStatic(signal)])),
    ]);
  }

  async stopped(): Promise<void> {
    await this.workers.stopped();
  }

  /** Without a certificate handshakes fail until one is given. */
  async serve(serving: { readonly cert: string; readonly key: string } | undefined): Promise<ServedKubelet> {
    const { config, context, parts } = this;
    const { clock, log, metrics } = context;
    return serveKubelet(await serverOptionsOf(config, serving), {
      pods: new ServedPods({ workers: this.workers, statuses: this.statuses, mirrors: this.upkeep.mirrors }),
      cri: parts.cri,
      runtime: this.reader,
      cgroups: parts.cgroups.files,
      podCgroups: this.cgroups,
      auth: new DelegatedAuth(parts.client, authOptions(config), { clock, log }),
      metrics,
      probeMetrics: this.probeMetrics,
      checks: this.checks,
      clock,
      log,
      configz: () => configzOf(config),
      claimStats: (pod, time) => this.storage.stats(pod, time),
    });
  }

  /** Workers start only once both sides are known: else running pods would look new, or gone. */
  private async dispatch(signal: AbortSignal): Promise<void> {
    await Promise.all([this.pleg.synced(), this.pods.synced(signal), this.services.synced(signal)]);
    await this.upkeep.staticSynced();
    using _feed = feedPods(this.pods, this.workers, this.statuses, this.upkeep.mirrors);
    const { workers, pleg, killer, collector, volumes, cgroups } = this;
    const { clock, log } = this.context;
    const forgetDelays = () => {
      this.syncer.collect();
      this.images.collect();
    };
    const { paths } = this.parts;
    const deps = { workers, pleg, killer, collector, volumes, cgroups, paths, clock, log, forgetDelays };
    await new Housekeeper(deps).run(signal);
  }

  /** What the workers act through; what is made after them is asked for when it is needed. */
  private workerParts(hooks: LifecycleHooks) {
    const { volumes, cgroups, killer, probes, events, images, objects, tokens, statuses, collector, gate } = this;
    const { resizer, resources, pleg, reader, admission, limits, kubeletMetrics } = this;
    const own = { volumes, cgroups, killer, probes, events, images, objects, tokens, statuses, collector, gate };
    const late = { allocatable: () => this.agent.allocatable, services: () => this.services.lister.list() };
    return { ...own, ...late, hooks, resizer, resources, pleg, reader, admission, limits, kubeletMetrics };
  }

  private makeAdmission(): NodeAdmission {
    const { config, node, resources, context, kubeletMetrics } = this;
    return new NodeAdmission({
      node,
      resources,
      workers: () => this.workers,
      allocatable: () => this.agent.allocatable,
      pressures: () => this.upkeep.pressures,
      isShuttingDown: () => this.upkeep.isShuttingDown,
      hasAppArmor: this.parts.machine.hasAppArmor,
      allowedSysctls: config.settings.allowedUnsafeSysctls,
      preemptions: kubeletMetrics.preemptions,
      clock: context.clock,
      log: context.log,
    });
  }

  private makeResizer(): PodResizer {
    const { config, cgroups, events } = this;
    const workers = () => this.workers;
    const admit = (pod: Readonly<Pod>) => this.admission.judge(pod);
    const facts = { allocatable: () => this.agent.allocatable, admit };
    const deps = { ...this.parts, cgroupFs: this.parts.cgroups.files, quotas: this.limits.quotas };
    return makeResizer({ ...deps, config, cgroups, events, log: this.context.log, workers, ...facts });
  }

  private makeAgent(): NodeAgent {
    return makeNodeAgent(this.config, this.context, this.parts, {
      images: this.images,
      problems: () => {
        const shutdown = this.upkeep.isShuttingDown ? "node is shutting down" : undefined;
        return [this.pleg.healthProblem(), shutdown].filter((problem) => problem !== undefined);
      },
      pressures: () => this.upkeep.pressures,
      volumesInUse: () => this.storage.volumesInUse(),
      extended: () => this.resources.capacity(),
      onNode: (known) => this.node.learn(known),
    });
  }

  private makeUpkeep(): Upkeep {
    const { pleg, workers, collector, statuses, records } = this;
    const { node, cgroups } = this.parts;
    return new Upkeep(this.config, this.context, {
      ...{ ...this.parts, cgroupFs: cgroups.files, podCgroups: this.cgroups },
      ...{ pleg, workers, collector, statuses, records },
      thresholds: node.reservation.thresholds,
      podsMemoryBytes: podsMemoryBytes(node.size, node.reservation),
      node: () => this.node.current,
      onPressure: () => this.agent.poke(),
    });
  }
}

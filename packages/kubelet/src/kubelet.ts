// Composes the kubelet: what feeds the pod workers, what they act through, and what shows them to the world.
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pods, serviceAccounts, services } from "@skiff/api/resource-ref.ts";
import type { AuthenticationV1TokenRequest, Node, Pod, Service } from "@skiff/api/types.ts";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { DelegatedAuth } from "@skiff/client/delegated-auth.ts";
import { EventRecorder } from "@skiff/client/event-recorder.ts";
import { Informer } from "@skiff/client/informer.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import type { HealthCheck } from "@skiff/component-base/health-server.ts";
import { serveHealth } from "@skiff/component-base/health-server.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import { GIT_VERSION } from "@skiff/component-base/version.ts";
import { admitPod } from "./admit-pod.ts";
import { CgroupFs } from "./cgroups/cgroup-fs.ts";
import { PodCgroups } from "./cgroups/pod-cgroups.ts";
import type { KubeletConfig } from "./config.ts";
import { configzOf } from "./configz.ts";
import { CriClient } from "./cri/cri-client.ts";
import { exitEvents } from "./cri/exit-events.ts";
import { PodEvents } from "./events/pod-events.ts";
import { Housekeeper } from "./housekeeper.ts";
import { ImageManager } from "./images/image-manager.ts";
import type { MachineInfo } from "./node/machine-info.ts";
import { readMachineInfo } from "./node/machine-info.ts";
import { NodeAgent } from "./node/node-agent.ts";
import { NodeEvents } from "./node/node-events.ts";
import { Pleg } from "./pleg.ts";
import { PodPaths } from "./pod-paths.ts";
import { feedPods } from "./pod-source.ts";
import { PodSyncer } from "./pod-syncer.ts";
import { PodWorkers } from "./pod-workers.ts";
import { ProbeManager } from "./probes/probe-manager.ts";
import { ContainerStarter } from "./runtime/container-starter.ts";
import { parseResolvConf } from "./runtime/dns.ts";
import { GarbageCollector } from "./runtime/garbage-collector.ts";
import { LifecycleHooks } from "./runtime/lifecycle-hooks.ts";
import { PodKiller } from "./runtime/pod-killer.ts";
import { RuntimeReader } from "./runtime/runtime-reader.ts";
import { StartGate } from "./runtime/start-gate.ts";
import { serveKubelet } from "./server/index.ts";
import { StatusManager } from "./status/status-manager.ts";
import { ObjectCache } from "./volumes/object-cache.ts";
import type { RequestToken } from "./volumes/token-manager.ts";
import { TokenManager } from "./volumes/token-manager.ts";
import { VolumeManager } from "./volumes/volume-manager.ts";

/** Runs until `context.signal` aborts. Containers run on. */
export async function runKubelet(config: KubeletConfig, context: ProgramContext): Promise<void> {
  const { clock, log, metrics, signal } = context;
  const machine = await readMachineInfo();
  const paths = new PodPaths(config["root-dir"], config["pod-log-dir"]);
  await mkdir(paths.pods, { recursive: true, mode: 0o750 });
  const userAgent = `kubelet/${GIT_VERSION}`;
  await using client = new RestClient(await loadKubeconfig(config.kubeconfig), { userAgent }, { clock, log, metrics });
  await using recorder = new EventRecorder(client, { component: "kubelet", host: config.nodeName }, { clock, log });
  using cri = new CriClient(config["container-runtime-endpoint"], { clock });
  const cgroupFs = await CgroupFs.open(clock);
  const kubelet = new Kubelet(config, context, { machine, paths, client, cri, cgroupFs, recorder });
  await using _health = await serveHealth(
    {
      host: config["healthz-bind-address"],
      port: config["healthz-port"],
      checks: kubelet.checks,
    },
    { log },
  );
  await using _server = await kubelet.serve();
  try {
    await kubelet.run(signal);
  } finally {
    await kubelet.stopped();
  }
}

interface Parts {
  readonly machine: MachineInfo;
  readonly paths: PodPaths;
  readonly client: RestClient;
  readonly cri: CriClient;
  readonly cgroupFs: CgroupFs;
  readonly recorder: EventRecorder;
}

/** Stages in parallel per processor: starting a container is processor time, so more would only delay each other. */
const STARTS_PER_CPU = 2;

class Kubelet {
  private readonly config: KubeletConfig;
  private readonly context: ProgramContext;
  private readonly parts: Parts;
  private readonly pods: Informer<Pod>;
  private readonly services: Informer<Service>;
  private readonly pleg: Pleg;
  private readonly reader: RuntimeReader;
  private readonly events: PodEvents;
  private readonly images: ImageManager;
  private readonly objects: ObjectCache;
  private readonly tokens: TokenManager;
  private readonly volumes: VolumeManager;
  private readonly cgroups: PodCgroups;
  private readonly probeMetrics = new MetricsRegistry();
  private readonly probes: ProbeManager;
  private readonly statuses: StatusManager;
  private readonly collector: GarbageCollector;
  private readonly killer: PodKiller;
  private readonly syncer: PodSyncer;
  private readonly workers: PodWorkers;
  private readonly agent: NodeAgent;
  private node: Readonly<Node> | undefined;
  private podCidr = "";

  constructor(config: KubeletConfig, context: ProgramContext, parts: Parts) {
    this.config = config;
    this.context = context;
    this.parts = parts;
    const { clock, log, signal } = context;
    const { client, cri, paths, recorder, cgroupFs, machine } = parts;
    const shared = { clock, log };
    const hostIps = config.nodeIps;
    const mine = { fieldSelector: `spec.nodeName=${config.nodeName}`, transform: withoutManagedFields<Pod> };
    this.pods = new Informer<Pod>(client.of(pods), mine, shared);
    this.services = new Informer<Service>(client.of(services), { transform: withoutManagedFields<Service> }, shared);
    this.events = new PodEvents(recorder);
    this.reader = new RuntimeReader(cri);
    const exits = (until: AbortSignal) => exitEvents(cri, config["container-runtime-endpoint"], until);
    this.pleg = new Pleg({ reader: this.reader, exits, ...shared });
    this.objects = new ObjectCache(client, shared, signal);
    this.tokens = new TokenManager(tokenRequests(client), { clock });
    this.images = new ImageManager({ cri, objects: this.objects, events: this.events, clock });
    this.volumes = new VolumeManager({ paths, objects: this.objects, tokens: this.tokens, clock });
    const cgroupOptions = {
      root: config["cgroup-root"],
      milliCpuCapacity: machine.cpus * 1000,
      podPidsLimit: config["pod-max-pids"],
    };
    this.cgroups = new PodCgroups(cgroupOptions, cgroupFs);
    const runtime = (uid: string) => this.pleg.get(uid);
    const probeDeps = { cri, events: this.events, metrics: this.probeMetrics, hostIps, runtime };
    this.probes = new ProbeManager({ ...probeDeps, ...shared });
    this.statuses = new StatusManager({ client: client.of(pods), ...shared }, signal);
    this.collector = new GarbageCollector({ cri, paths });
    const hooks = new LifecycleHooks({ cri, clock });
    this.killer = new PodKiller({ cri, hooks, events: this.events, ...shared });
    this.syncer = this.makeSyncer(hooks);
    this.workers = this.makeWorkers();
    this.agent = this.makeAgent();
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
    this.pleg.onChange = (uid) => this.workers.wake(uid);
    this.probes.onChange = (uid) => this.workers.wake(uid);
    this.objects.onChange = (uids) => {
      for (const uid of uids) this.workers.wake(uid);
    };
    await Promise.all([
      this.pods.run(signal),
      this.services.run(signal),
      this.pleg.run(signal),
      this.agent.run(signal),
      this.dispatch(signal),
    ]);
  }

  async stopped(): Promise<void> {
    await this.workers.stopped();
  }

  async serve(): Promise<AsyncDisposable> {
    const { config, context, parts } = this;
    const { clock, log, metrics } = context;
    const ca = config["client-ca-file"];
    const tls = {
      cert: await readFile(config["tls-cert-file"], "utf8"),
      key: await readFile(config["tls-private-key-file"], "utf8"),
      clientCa: ca ? await readFile(ca, "utf8") : undefined,
    };
    const { address, port, nodeName } = config;
    return serveKubelet(
      { address, port, tls, podLogDir: config["pod-log-dir"], nodeName, rootDir: config["root-dir"] },
      {
        pods: { list: () => this.podsWithStatus(), find: (...key) => this.findPod(...key) },
        cri: parts.cri,
        runtime: this.reader,
        cgroups: parts.cgroupFs,
        podCgroups: this.cgroups,
        auth: new DelegatedAuth(parts.client, { anonymous: config["anonymous-auth"] }, { clock, log }),
        metrics,
        probeMetrics: this.probeMetrics,
        checks: this.checks,
        clock,
        log,
        configz: () => configzOf(config),
      },
    );
  }

  /** Workers start only once both sides are known: else running pods would look new, or gone. */
  private async dispatch(signal: AbortSignal): Promise<void> {
    await Promise.all([this.pleg.synced(), this.pods.synced(signal), this.services.synced(signal)]);
    using _feed = feedPods(this.pods, this.workers, this.statuses);
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

  private makeSyncer(hooks: LifecycleHooks): PodSyncer {
    const { config, volumes, events, images, objects, cgroups, killer, probes } = this;
    const { clock, log } = this.context;
    const { cri, paths, machine } = this.parts;
    const clusterDomain = config["cluster-domain"];
    const gate = new StartGate(Math.max(2, machine.cpus * STARTS_PER_CPU));
    const starter = new ContainerStarter({
      cri,
      paths,
      volumes,
      images,
      objects,
      events,
      hooks,
      gate,
      clusterDomain,
      seccompRoot: config["seccomp-profile-root"] || join(config["root-dir"], "seccomp"),
      memoryCapacity: machine.memoryBytes,
      services: () => this.services.lister.list(),
    });
    return new PodSyncer({
      cri,
      starter,
      killer,
      volumes,
      cgroups,
      probes,
      events,
      gate,
      paths,
      clock,
      log,
      clusterDomain,
      nodeName: config.nodeName,
      hostIps: config.nodeIps,
      dns: async () => ({
        clusterDns: config["cluster-dns"],
        clusterDomain,
        node: parseResolvConf(await readFile(config["resolv-conf"] || "/dev/null", "utf8")),
      }),
      allocatable: () => this.agent.allocatable,
      refresh: (uid) => this.pleg.refresh(uid),
    });
  }

  private makeWorkers(): PodWorkers {
    const { syncer, killer, statuses, probes, events, pleg, objects } = this;
    const { clock, log, signal } = this.context;
    return new PodWorkers(
      {
        syncer,
        killer,
        statuses,
        probes,
        events,
        clock,
        log,
        hostIps: this.config.nodeIps,
        admit: (pod) => {
          const others = this.workers.admitted(pod.metadata.uid ?? "");
          return admitPod(pod, others, this.node, this.agent.allocatable);
        },
        runtime: (uid) => pleg.get(uid),
        refresh: (uid) => pleg.refresh(uid),
        register: (pod) => objects.register(pod),
        release: (uid) => this.release(uid),
        purge: (uid) => this.purge(uid),
      },
      signal,
    );
  }

  private async release(uid: string): Promise<void> {
    await this.volumes.tearDown(uid);
    await this.cgroups.remove(uid);
    this.objects.unregister(uid);
    this.tokens.forget(uid);
    this.probes.remove(uid);
  }

  private async purge(uid: string): Promise<void> {
    const runtime = await this.pleg.refresh(uid);
    const pod = this.workers.get(uid);
    const { paths } = this.parts;
    const logs = pod ? paths.podLogs(pod) : paths.podLogsOf(runtime.namespace, runtime.name, uid);
    await this.collector.purge(runtime, logs);
    await this.pleg.refresh(uid);
  }

  private makeAgent(): NodeAgent {
    const { config, images } = this;
    const { clock, log } = this.context;
    const { client, cri, machine, recorder } = this.parts;
    return new NodeAgent(
      {
        nodeName: config.nodeName,
        hostname: config.nodeName,
        nodeIps: config.nodeIps,
        labels: config["node-labels"],
        taints: config.taints,
        register: config["register-node"],
        maxPods: config["max-pods"],
        port: config.port,
        rootDir: config["root-dir"],
        statusUpdateMs: config["node-status-update-frequency"],
        machine,
      },
      {
        client,
        cri,
        images,
        events: new NodeEvents(recorder, config.nodeName),
        clock,
        log,
        problems: () => {
          const problem = this.pleg.healthProblem();
          return problem ? [problem] : [];
        },
        onNode: (node) => this.learnNode(node),
      },
    );
  }

  private learnNode(node: Readonly<Node>): void {
    this.node = node;
    const podCidr = node.spec?.podCIDR || this.config["pod-cidr"];
    if (!podCidr || podCidr === this.podCidr) return;
    this.podCidr = podCidr;
    this.parts.cri.updatePodCidr(podCidr).catch((error) => {
      this.podCidr = "";
      this.context.log.warn({ err: error, podCidr }, "runtime did not take the pod CIDR");
    });
  }

  private podsWithStatus(): Readonly<Pod>[] {
    return this.workers.pods().map((pod) => ({ ...pod, status: this.statuses.current(pod) }));
  }

  private findPod(namespace: string, name: string, uid?: string): Readonly<Pod> | undefined {
    const pod = uid ? this.workers.get(uid) : this.workers.find(namespace, name);
    if (!pod || pod.metadata.namespace !== namespace || pod.metadata.name !== name) return undefined;
    return { ...pod, status: this.statuses.current(pod) };
  }
}

function withoutManagedFields<T extends { metadata: { managedFields?: unknown } }>(object: T): T {
  delete object.metadata.managedFields;
  return object;
}

function tokenRequests(client: RestClient): RequestToken {
  return async (namespace, serviceAccount, spec, signal) => {
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", metadata: {}, spec };
    const accounts = client.of(serviceAccounts);
    const answer = await accounts.createSubresource(namespace, serviceAccount, "token", body, { signal });
    const { status } = answer as AuthenticationV1TokenRequest;
    if (!status?.token || !status.expirationTimestamp) throw new Error("the API server gave no token");
    return { token: status.token, expirationTimestamp: status.expirationTimestamp };
  };
}

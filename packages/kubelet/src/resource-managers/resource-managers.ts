// What pods get of the node beyond shares and limits: devices, processors and memory of their own. The kubelet's one door to it.
import { join } from "node:path";
import type { Container, Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Admission } from "../admit-pod.ts";
import { CheckpointFile } from "../checkpoints/checkpoint-file.ts";
import type { MemoryReservation } from "../configuration/resource-fields.ts";
import type { LinuxContainerResources } from "../cri/types.ts";
import { AllocationError } from "./admission.ts";
import type { ContainerExtras } from "./container-extras.ts";
import type { RunningContainer } from "./cpu-pinner.ts";
import { CpuPinner } from "./cpu-pinner.ts";
import type { CpuManager } from "./cpus/cpu-manager.ts";
import { DeviceManager } from "./devices/device-manager.ts";
import { CHECKPOINT_NAME, serveRegistration } from "./devices/registration-server.ts";
import type { StateFiles } from "./idle-state.ts";
import { IDLE_CPU, IDLE_MEMORY, keepIdle } from "./idle-state.ts";
import type { MemoryManager } from "./memory/memory-manager.ts";
import type { ResourceMetrics } from "./resource-metrics.ts";
import type { ResourceProvider } from "./resource-provider.ts";
import type { StaticCpuOptions } from "./static-managers.ts";
import type { MachineTopology } from "./topology/machine-topology.ts";
import { readMachineTopology } from "./topology/machine-topology.ts";
import type { NumaView, TopologyPolicy } from "./topology/merge-hints.ts";
import { TopologyManager } from "./topology/topology-manager.ts";

/** From the configuration; `reconcileMs` is how often containers' processors are put right. */
export interface ResourceManagersOptions {
  readonly rootDir: string;
  readonly topologyPolicy: TopologyPolicy;
  readonly topologyScope: "container" | "pod";
  readonly preferClosestNodes: boolean;
  /** With more nodes, there would be hints beyond counting. */
  readonly maxNumaNodes: number;
  /** Undefined for the policy none. */
  readonly cpu: StaticCpuOptions | undefined;
  readonly reconcileMs: number;
  /** Undefined for the policy None. */
  readonly memory: { readonly reserved: readonly MemoryReservation[]; readonly nodeReservedBytes: number } | undefined;
}

export interface ResourceManagersDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: ResourceMetrics;
  /** What the node offers has changed. */
  onCapacity(): void;
  /** Those that were let in. */
  pods(): readonly Readonly<Pod>[];
  /** Their containers. */
  running(): readonly RunningContainer[];
  updateContainer(id: string, resources: LinuxContainerResources): Promise<void>;
  /** As the machine has it, unless a test says otherwise. */
  readTopology?(): Promise<MachineTopology>;
}

/**
 * Resources are set aside when the pod is admitted, before any container starts, and given back when the pod has
 * ended; each manager keeps what it gave out in a file, for the kubelet's next start.
 */
export class ResourceManagers {
  readonly devices: DeviceManager;
  cpu: CpuManager | undefined;
  memory: MemoryManager | undefined;
  private readonly options: ResourceManagersOptions;
  private readonly deps: ResourceManagersDeps;
  private topology: TopologyManager | undefined;
  private providers: readonly ResourceProvider[] = [];
  private pinner: CpuPinner | undefined;
  private readonly files: CheckpointFile[] = [];
  private numaNodes: readonly number[] = [0];
  /** One pod at a time, so that what one was offered no other is given. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(options: ResourceManagersOptions, deps: ResourceManagersDeps) {
    this.options = options;
    this.deps = deps;
    const { clock, log, metrics, onCapacity } = deps;
    this.devices = new DeviceManager({
      folder: this.pluginFolder,
      file: new CheckpointFile(join(this.pluginFolder, CHECKPOINT_NAME), this.reportFile),
      numaNodes: () => this.numaNodes,
      onChange: onCapacity,
      metrics,
      clock,
      log,
    });
  }

  /** Rejects where the configuration does not fit the machine, or what an earlier kubelet left behind. */
  async restore(): Promise<void> {
    const { topologyPolicy: policy, topologyScope: scope, cpu, memory } = this.options;
    let numa: NumaView = { nodes: this.numaNodes };
    // Most nodes do without, and need not know what their processors look like.
    if (cpu || memory || policy !== "none") {
      const machine = await (this.deps.readTopology ?? readMachineTopology)();
      numa = this.numaView(machine);
      await this.startStatic(machine);
    }
    this.numaNodes = numa.nodes;
    if (!cpu) await keepIdle(IDLE_CPU, this.stateFiles);
    if (!memory) await keepIdle(IDLE_MEMORY, this.stateFiles);
    this.providers = [this.devices, this.cpu, this.memory].filter((provider) => provider !== undefined);
    this.topology = new TopologyManager({ policy, scope, numa }, this.providers);
    await this.devices.restore();
  }

  /** Serves device plugins and monitors, and keeps containers on their processors, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await using _server = await serveRegistration(this.pluginFolder, (request) => {
      this.deps.log.info({ resource: request.resourceName, endpoint: request.endpoint }, "device plugin registered");
      this.devices.register(request);
    });
    const { servePodResources } = await import("./pod-resources/serve-pod-resources.ts");
    const { devices, cpu, memory } = this;
    const socket = join(this.options.rootDir, "pod-resources", "kubelet.sock");
    await using _lister = await servePodResources(socket, { devices, cpu, memory, pods: this.deps.pods });
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await Promise.all([stopped, this.pinner?.run(signal)]);
    await this.close();
  }

  /** Leaves the plugins; resolves once what is known is on disk. */
  async close(): Promise<void> {
    await this.devices.close();
    await Promise.all(this.files.map((file) => file.flushed()));
  }

  /** Sets aside what the pod asks for, unless it has it already. */
  async allocate(pod: Readonly<Pod>): Promise<Admission> {
    const { topology } = this;
    if (!topology || !this.isConcerned(pod)) return { admitted: true };
    const mine = this.turn.then(() => topology.allocate(pod));
    this.turn = mine.catch(() => {});
    const isAligned = this.options.topologyPolicy !== "none";
    try {
      await mine;
      if (isAligned) this.deps.metrics?.aligned(true);
      return { admitted: true };
    } catch (error) {
      if (isAligned) this.deps.metrics?.aligned(false);
      if (!(error instanceof AllocationError)) throw error;
      return { admitted: false, reason: error.reason, message: error.message };
    }
  }

  /** What the container's configuration gets beside what its spec says. */
  async extrasFor(pod: Readonly<Pod>, container: Container): Promise<ContainerExtras> {
    const uid = pod.metadata.uid ?? "";
    return {
      devices: await this.devices.optionsFor(pod, container),
      cpusetCpus: this.cpu?.cpusOf(uid, container.name),
      cpusetMems: this.memory?.nodesOf(uid, container.name),
    };
  }

  /** Whether processors are set aside for the container, or for any of the pod's. */
  hasOwnCpus({ metadata: { uid = "" } }: Readonly<Pod>, container?: string): boolean {
    if (container === undefined) return this.cpu?.hasExclusive(uid) ?? false;
    return this.cpu?.exclusiveOf(uid, container) !== undefined;
  }

  /** The pod has ended: others may have what it held. */
  release(podUid: string): void {
    for (const provider of this.providers) provider.release(podUid);
  }

  /** What plugins add to the node. */
  capacity(): ReturnType<DeviceManager["capacity"]> {
    return this.devices.capacity();
  }

  /** Whether a resource is counted here rather than by what the node shows. */
  counts(resource: string): boolean {
    return this.devices.owns(resource);
  }

  private get pluginFolder(): string {
    return join(this.options.rootDir, "device-plugins");
  }

  private get stateFiles(): StateFiles {
    const { rootDir } = this.options;
    const open = (name: string) => {
      const file = new CheckpointFile(join(rootDir, name), this.reportFile);
      this.files.push(file);
      return file;
    };
    return { rootDir, open };
  }

  private readonly reportFile = (error: unknown): void => {
    this.deps.log.error({ err: error }, "state of a resource manager was not saved");
  };

  private isConcerned(pod: Readonly<Pod>): boolean {
    // With a policy of their own, the managers look at every pod: most it does not concern.
    if (this.cpu || this.memory) return true;
    const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
    return containers.some((container) => this.devices.wants(container).size > 0);
  }

  private numaView({ nodes }: MachineTopology): NumaView {
    const { topologyPolicy, preferClosestNodes, maxNumaNodes } = this.options;
    if (topologyPolicy !== "none" && nodes.length > maxNumaNodes) {
      throw new Error(`unsupported on machines with more than ${maxNumaNodes} NUMA Nodes`);
    }
    const ids = nodes.map(({ id }) => id);
    if (!preferClosestNodes) return { nodes: ids };
    const distance = (from: number, to: number) => {
      return nodes.find(({ id }) => id === from)?.distances[ids.indexOf(to)] ?? 0;
    };
    return { nodes: ids, distance };
  }

  private async startStatic(machine: MachineTopology): Promise<void> {
    const { cpu, memory, reconcileMs } = this.options;
    if (!cpu && !memory) return;
    const { startCpuManager, startMemoryManager } = await import("./static-managers.ts");
    const files = this.stateFiles;
    if (cpu) {
      const manager = await startCpuManager(machine, cpu, files, () => this.pinner?.poke());
      const { clock, log, running, updateContainer: update } = this.deps;
      const cpusOf = (podUid: string, name: string) => manager.cpusOf(podUid, name);
      this.pinner = new CpuPinner(reconcileMs, { running, cpusOf, update, clock, log });
      this.cpu = manager;
    }
    if (memory) this.memory = await startMemoryManager(machine, memory.reserved, memory.nodeReservedBytes, files);
  }
}

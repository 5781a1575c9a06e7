// What pods get of the node beyond shares and limits: devices, processors and memory of their own. The kubelet's one door to it.
import { join } from "node:path";
import type { Container, Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Admission } from "../admit-pod.ts";
import { CheckpointFile } from "../checkpoints/checkpoint-file.ts";
import { AllocationError } from "./admission.ts";
import type { ContainerExtras } from "./container-extras.ts";
import { DeviceManager } from "./devices/device-manager.ts";
import { CHECKPOINT_NAME, serveRegistration } from "./devices/registration-server.ts";
import type { ResourceProvider } from "./resource-provider.ts";
import type { NumaView, TopologyPolicy } from "./topology/merge-hints.ts";
import { TopologyManager } from "./topology/topology-manager.ts";

export interface ResourceManagersOptions {
  readonly rootDir: string;
  readonly topologyPolicy: TopologyPolicy;
  readonly topologyScope: "container" | "pod";
  readonly numa: NumaView;
}

export interface ResourceManagersDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** What the node offers has changed. */
  onCapacity(): void;
}

export class ResourceManagers {
  readonly devices: DeviceManager;
  private readonly options: ResourceManagersOptions;
  private readonly deps: ResourceManagersDeps;
  private readonly topology: TopologyManager;
  private readonly providers: readonly ResourceProvider[];
  /** One pod at a time, so that what one was offered no other is given. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(options: ResourceManagersOptions, deps: ResourceManagersDeps) {
    this.options = options;
    this.deps = deps;
    const { clock, log, onCapacity } = deps;
    const report = (error: unknown) => log.error({ err: error }, "device checkpoint was not saved");
    this.devices = new DeviceManager({
      folder: this.pluginFolder,
      file: new CheckpointFile(join(this.pluginFolder, CHECKPOINT_NAME), report),
      numaNodes: options.numa.nodes,
      onChange: onCapacity,
      clock,
      log,
    });
    this.providers = [this.devices];
    const { topologyPolicy: policy, topologyScope: scope, numa } = options;
    this.topology = new TopologyManager({ policy, scope, numa }, this.providers);
  }

  async restore(): Promise<void> {
    await this.devices.restore();
  }

  /** Serves device plugins until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await using _server = await serveRegistration(this.pluginFolder, (request) => {
      this.deps.log.info({ resource: request.resourceName, endpoint: request.endpoint }, "device plugin registered");
      this.devices.register(request);
    });
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await this.devices.close();
  }

  /** Sets aside what the pod asks for, unless it has it already. */
  async allocate(pod: Readonly<Pod>): Promise<Admission> {
    if (!this.isConcerned(pod)) return { admitted: true };
    const mine = this.turn.then(() => this.topology.allocate(pod));
    this.turn = mine.catch(() => {});
    try {
      await mine;
      return { admitted: true };
    } catch (error) {
      if (!(error instanceof AllocationError)) throw error;
      return { admitted: false, reason: error.reason, message: error.message };
    }
  }

  /** What the container's configuration gets beside what its spec says. */
  async extrasFor(pod: Readonly<Pod>, container: Container): Promise<ContainerExtras> {
    return { devices: await this.devices.optionsFor(pod, container) };
  }

  release(podUid: string): void {
    for (const provider of this.providers) provider.release(podUid);
  }

  /** What plugins add to the node. */
  capacity(): ReturnType<DeviceManager["capacity"]> {
    return this.devices.capacity();
  }

  /** Whether devices are counted here rather than by what the node shows. */
  counts(resource: string): boolean {
    return this.devices.owns(resource);
  }

  private get pluginFolder(): string {
    return join(this.options.rootDir, "device-plugins");
  }

  private isConcerned(pod: Readonly<Pod>): boolean {
    const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
    return containers.some((container) => this.devices.wants(container).size > 0);
  }
}

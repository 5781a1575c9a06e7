// Devices that plugins offer: counts them for the node, gives them to containers, remembers who has which.
import { quantityValue } from "@skiff/api/quantity.ts";
import { isSidecar } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod, ResourceStatus } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { CheckpointFile } from "../../checkpoints/checkpoint-file.ts";
import { messageCodec } from "../../grpc/service-methods.ts";
import type { ResourceMetrics } from "../resource-metrics.ts";
import type { HintsByResource } from "../topology/merge-hints.ts";
import type { NumaMask } from "../topology/numa-mask.ts";
import { chooseDevices, deviceHints } from "./choose-devices.ts";
import { deviceHealth } from "./device-health.ts";
import type { DeviceList, PluginOptions } from "./device-plugin.ts";
import { DevicePlugin, pluginSocket } from "./device-plugin.ts";
import descriptor from "./deviceplugin-v1beta1.json" with { type: "json" };
import type { DeviceEntry, DeviceOptions } from "./pod-devices.ts";
import { decodeCheckpoint, encodeCheckpoint, PodDevices } from "./pod-devices.ts";
import type { Registration } from "./registration-server.ts";

export interface DeviceManagerDeps {
  readonly folder: string;
  readonly file: Pick<CheckpointFile, "read" | "save" | "flushed">;
  readonly clock: Clock;
  readonly log: Logger;
  numaNodes(): readonly number[];
  /** What the node has changed. */
  onChange(): void;
  readonly metrics?: Pick<ResourceMetrics, "registered" | "allocated"> | undefined;
}

interface Endpoint {
  /** Undefined for one that only the checkpoint knows. */
  readonly plugin: DevicePlugin | undefined;
  options: PluginOptions | undefined;
  devices: DeviceList;
  /** Monotonic; undefined while the plugin is there. */
  stoppedAt: number | undefined;
}

/** How long the node still counts devices, as unhealthy ones, of a plugin that went away. */
const STOPPED_GRACE_MS = 5 * 60_000;
/** Of the plugin protocol; it never left beta. */
const SUPPORTED_VERSION = "v1beta1";
/** `vendor-domain/resource`; the domain kubernetes.io is Kubernetes' own. */
const RESOURCE_NAME_RE = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const NO_DEVICES: DeviceList = { nodes: new Map(), healthy: new Set() };

/**
 * A plugin offers devices of one resource, such as `example.com/gpu`. The scheduler counts them by the node's status;
 * which ones a container gets is decided here.
 */
export class DeviceManager {
  private readonly deps: DeviceManagerDeps;
  private readonly endpoints = new Map<string, Endpoint>();
  private readonly devices = new PodDevices();
  private readonly codec = messageCodec<DeviceOptions>(descriptor, "v1beta1.ContainerAllocateResponse");
  /** Chosen, and on their way through the plugin. Key: resource. */
  private readonly underway = new Map<string, Set<string>>();
  private readonly gone = new Set<string>();
  private readonly following = new Set<Promise<void>>();

  constructor(deps: DeviceManagerDeps) {
    this.deps = deps;
  }

  /** What an earlier kubelet gave out. Must come before the first allocation. */
  async restore(): Promise<void> {
    const text = await this.deps.file.read();
    if (text === undefined) return;
    try {
      const { entries, resources } = decodeCheckpoint(text, this.codec);
      this.devices.restore(entries);
      // Their capacity stays zero until the plugins come back.
      for (const resource of resources) this.endpoints.set(resource, stoppedEndpoint(this.deps.clock.monotonic()));
    } catch (error) {
      // As upstream: pods keep running, and what they have is asked for anew when they start again.
      this.deps.log.warn({ err: error }, "device checkpoint could not be read, continuing without it");
    }
  }

  /** A plugin's own registration; throws what it is told. */
  register({ version, endpoint, resourceName }: Registration): void {
    this.check(resourceName, [version]);
    this.connect(resourceName, pluginSocket(this.deps.folder, endpoint));
  }

  /** Throws where a plugin of these versions cannot be taken for the resource. */
  check(resource: string, versions: readonly string[]): void {
    if (!versions.includes(SUPPORTED_VERSION)) {
      const given = versions.map((version) => JSON.stringify(version)).join(" ");
      throw new Error(
        `requested API version ${given} is not supported by kubelet. Supported version is ["${SUPPORTED_VERSION}"]`,
      );
    }
    if (!RESOURCE_NAME_RE.test(resource) || /(^|\.)kubernetes\.io\//.test(resource)) {
      throw new Error(`the ResourceName ${JSON.stringify(resource)} is invalid`);
    }
  }

  /** Takes the plugin behind the socket for the resource's newest; an older one is left. */
  connect(resource: string, socket: string): void {
    this.deps.metrics?.registered(resource);
    this.endpoints.get(resource)?.plugin?.close();
    const plugin = new DevicePlugin(resource, socket, this.deps.clock);
    const before = this.endpoints.get(resource)?.devices ?? NO_DEVICES;
    const devices = { nodes: before.nodes, healthy: new Set<string>() };
    const endpoint: Endpoint = { plugin, options: undefined, devices, stoppedAt: undefined };
    this.endpoints.set(resource, endpoint);
    this.gone.delete(resource);
    const following = this.follow(endpoint, plugin).finally(() => this.following.delete(following));
    this.following.add(following);
  }

  /** The plugin behind the socket said that it leaves. */
  disconnect(resource: string): void {
    this.endpoints.get(resource)?.plugin?.close();
  }

  /** Resolves once what is known is on disk. */
  async close(): Promise<void> {
    for (const { plugin } of this.endpoints.values()) plugin?.close();
    await Promise.all(this.following);
    await this.deps.file.flushed();
  }

  /** What the node has by plugins: resources that are gone for good show as zero. */
  capacity(): { capacity: Record<string, string>; allocatable: Record<string, string> } {
    const capacity: Record<string, string> = {};
    const allocatable: Record<string, string> = {};
    for (const [resource, { devices, stoppedAt }] of this.endpoints) {
      if (stoppedAt !== undefined && this.deps.clock.monotonic() - stoppedAt >= STOPPED_GRACE_MS) {
        this.endpoints.delete(resource);
        this.gone.add(resource);
        this.save();
        continue;
      }
      capacity[resource] = String(devices.nodes.size);
      allocatable[resource] = String(devices.healthy.size);
    }
    for (const resource of this.gone) capacity[resource] = allocatable[resource] = "0";
    return { capacity, allocatable };
  }

  /** Whether the resource is, or was, a plugin's. */
  owns(resource: string): boolean {
    return this.endpoints.has(resource) || this.devices.resources().has(resource);
  }

  /** Of what the container asks for, that which plugins give. */
  wants({ resources }: Container): Map<string, number> {
    const found = Object.entries(resources?.limits ?? {}).filter(([name]) => name.includes("/") && this.owns(name));
    return new Map(found.map(([name, amount]) => [name, quantityValue(amount)]));
  }

  hints(pod: Readonly<Pod>, container: Container): HintsByResource {
    const uid = pod.metadata.uid ?? "";
    const wanted = [...this.wants(container)].map(([resource, needed]) => {
      const nodes = this.endpoints.get(resource)?.devices.nodes ?? new Map();
      const held = this.devices.idsOf(uid, container.name, resource);
      const pool =
        held.size > 0 ? { available: held, reusable: new Set<string>() } : this.pool(pod, container, resource);
      return [resource, deviceHints({ nodes, needed, ...pool }, this.deps.numaNodes())] as const;
    });
    return new Map(wanted);
  }

  podHints(pod: Readonly<Pod>): HintsByResource {
    const uid = pod.metadata.uid ?? "";
    const wanted = [...this.podWants(pod)].map(([resource, needed]) => {
      const nodes = this.endpoints.get(resource)?.devices.nodes ?? new Map();
      const held = this.devices.idsOfPod(uid, resource);
      const available = held.size > 0 ? held : this.pool(pod, undefined, resource).available;
      return [resource, deviceHints({ nodes, needed, available, reusable: new Set() }, this.deps.numaNodes())] as const;
    });
    return new Map(wanted);
  }

  /** Gives the container its devices, unless it has them; throws what is in the way. */
  async allocate(pod: Readonly<Pod>, container: Container, affinity: NumaMask | undefined): Promise<void> {
    let changed = false;
    for (const [resource, needed] of this.wants(container)) {
      const entry = await this.allocateOne(pod, container, { resource, needed, affinity });
      if (!entry) continue;
      this.devices.insert(entry);
      changed = true;
    }
    if (changed) this.save();
  }

  /** What the container gets to see of its devices, which their plugins are told of first where they want to be. */
  async optionsFor(pod: Readonly<Pod>, container: Container): Promise<DeviceOptions | undefined> {
    const wanted = this.wants(container);
    if (wanted.size === 0) return undefined;
    // Nothing where it has all; else its allocation was lost with the checkpoint, and is asked for anew.
    await this.allocate(pod, container, undefined);
    const uid = pod.metadata.uid ?? "";
    for (const resource of wanted.keys()) {
      const held = this.devices.idsOf(uid, container.name, resource);
      const endpoint = this.endpoints.get(resource);
      if (!endpoint?.options?.preStartRequired || !endpoint.plugin) continue;
      await endpoint.plugin.preStartContainer([...held]).catch((error) => {
        throw new Error(`device plugin PreStartContainer rpc failed with err: ${(error as Error).message}`);
      });
    }
    return mergeOptions(this.devices.of(uid, container.name).map(({ options }) => options));
  }

  /** The pod has ended: its devices are free. The plugin is not told; the protocol has no word for it. */
  release(podUid: string): void {
    if (!this.devices.hasPod(podUid)) return;
    this.devices.remove(podUid);
    this.save();
  }

  /** What the container holds, one entry per resource. */
  allocations(podUid: string, container: string): readonly DeviceEntry[] {
    return this.devices.of(podUid, container);
  }

  health(podUid: string, container: string): ResourceStatus[] {
    return deviceHealth(this.allocations(podUid, container), (resource) => this.endpoints.get(resource));
  }

  /** UIDs of the pods that have devices. */
  holders(): ReadonlySet<string> {
    return new Set(this.devices.all().map(({ podUid }) => podUid));
  }

  /** What plugins last said of their devices. */
  offered(): ReadonlyMap<string, DeviceList> {
    return new Map([...this.endpoints].map(([resource, { devices }]) => [resource, devices]));
  }

  private async allocateOne(
    pod: Readonly<Pod>,
    container: Container,
    { resource, needed, affinity }: { resource: string; needed: number; affinity: NumaMask | undefined },
  ): Promise<DeviceEntry | undefined> {
    const uid = pod.metadata.uid ?? "";
    const held = this.devices.idsOf(uid, container.name, resource).size;
    if (held !== 0 && held !== needed) {
      throw new Error(
        `pod ${JSON.stringify(uid)} container ${JSON.stringify(container.name)} changed request for resource ${JSON.stringify(resource)} from ${held} to ${needed}`,
      );
    }
    if (held === needed) return undefined;
    const endpoint = this.endpoints.get(resource);
    if (!endpoint?.plugin) throw new Error(`cannot allocate unregistered device ${resource}`);
    const { plugin, devices } = endpoint;
    if (devices.healthy.size === 0)
      throw new Error(`no healthy devices present; cannot allocate unhealthy devices ${resource}`);
    const pool = this.pool(pod, container, resource);
    const missing = needed - pool.reusable.size;
    if (pool.available.size < missing) {
      throw new Error(
        `requested number of devices unavailable for ${resource}. Requested: ${missing}, Available: ${pool.available.size}`,
      );
    }
    const chosen = await chooseDevices({
      needed,
      ...pool,
      nodes: devices.nodes,
      affinity,
      prefer: async (candidates, taken) =>
        endpoint.options?.getPreferredAllocationAvailable
          ? plugin.preferredAllocation(candidates, taken, needed)
          : undefined,
    });
    if (chosen.size < needed)
      throw new Error(`unexpectedly allocated less resources than required. Requested: ${needed}, Got: ${chosen.size}`);
    return this.askFor(plugin, { podUid: uid, container: container.name, resource }, chosen, devices);
  }

  /** The devices are held back while the plugin answers, so that nobody else is given them meanwhile. */
  private async askFor(
    plugin: DevicePlugin,
    whose: Pick<DeviceEntry, "podUid" | "container" | "resource">,
    chosen: ReadonlySet<string>,
    { nodes }: DeviceList,
  ): Promise<DeviceEntry> {
    const reserved = this.underway.get(whose.resource) ?? new Set();
    this.underway.set(whose.resource, reserved);
    for (const id of chosen) reserved.add(id);
    const startedAt = this.deps.clock.monotonic();
    try {
      const options = await plugin.allocate([...chosen]);
      this.deps.metrics?.allocated(whose.resource, (this.deps.clock.monotonic() - startedAt) / 1000);
      const byNode = new Map<number, string[]>();
      for (const id of chosen) {
        const near = nodes.get(id) ?? [];
        for (const node of near.length > 0 ? near : [0]) byNode.set(node, [...(byNode.get(node) ?? []), id]);
      }
      return { ...whose, devices: byNode, options };
    } finally {
      for (const id of chosen) reserved.delete(id);
    }
  }

  /** The largest init container, or else all that run side by side. */
  private podWants({ spec }: Readonly<Pod>): Map<string, number> {
    const inits = spec.initContainers ?? [];
    const total = new Map<string, number>();
    for (const container of [...inits.filter(isSidecar), ...spec.containers]) {
      for (const [resource, needed] of this.wants(container)) total.set(resource, (total.get(resource) ?? 0) + needed);
    }
    for (const container of inits.filter((init) => !isSidecar(init))) {
      for (const [resource, needed] of this.wants(container)) {
        total.set(resource, Math.max(total.get(resource) ?? 0, needed));
      }
    }
    return total;
  }

  /** What may be given to the container: free and healthy devices, and those of init containers that are over. */
  private pool(pod: Readonly<Pod>, container: Container | undefined, resource: string) {
    const used = this.devices.inUse(resource);
    for (const id of this.underway.get(resource) ?? []) used.add(id);
    const healthy = this.endpoints.get(resource)?.devices.healthy ?? new Set<string>();
    const available = new Set([...healthy].filter((id) => !used.has(id)));
    return { available, reusable: container ? this.reusable(pod, container, resource) : new Set<string>() };
  }

  /** What init containers had is the regular ones' as well, each device once. */
  private reusable(pod: Readonly<Pod>, container: Container, resource: string): Set<string> {
    const uid = pod.metadata.uid ?? "";
    const inits = (pod.spec.initContainers ?? []).filter((init) => !isSidecar(init) && init.name !== container.name);
    const reusable = new Set(inits.flatMap(({ name }) => [...this.devices.idsOf(uid, name, resource)]));
    const lasting = [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers];
    for (const { name } of lasting) for (const id of this.devices.idsOf(uid, name, resource)) reusable.delete(id);
    return reusable;
  }

  /** The plugin's life: its list of devices as it changes, until the connection ends. */
  private async follow(endpoint: Endpoint, plugin: DevicePlugin): Promise<void> {
    const { clock, log } = this.deps;
    const isCurrent = () => this.endpoints.get(plugin.resource) === endpoint;
    try {
      endpoint.options = await plugin.options();
      await plugin.watch((list) => {
        if (!isCurrent()) return;
        endpoint.devices = list;
        this.save();
        this.deps.onChange();
      });
      log.info({ resource: plugin.resource }, "device plugin went away");
    } catch (error) {
      if (isCurrent()) log.warn({ err: error, resource: plugin.resource }, "device plugin was lost");
    } finally {
      plugin.close();
      if (isCurrent()) {
        endpoint.devices = { nodes: endpoint.devices.nodes, healthy: new Set() };
        endpoint.stoppedAt = clock.monotonic();
        this.deps.onChange();
      }
    }
  }

  private save(): void {
    const registered = [...this.endpoints].map(([resource, { devices }]) => [resource, [...devices.healthy]] as const);
    this.deps.file.save(encodeCheckpoint(this.devices.all(), new Map(registered), this.codec));
  }
}

function stoppedEndpoint(now: number): Endpoint {
  return { plugin: undefined, options: undefined, devices: NO_DEVICES, stoppedAt: now };
}

/** As upstream: the first to name an environment variable or a path has it. */
function mergeOptions(all: readonly DeviceOptions[]): DeviceOptions {
  const unique = <T>(items: readonly T[], key: (item: T) => string) => [
    ...new Map(items.toReversed().map((item) => [key(item), item])).values(),
  ];
  return {
    envs: Object.assign({}, ...all.toReversed().map(({ envs }) => envs)),
    annotations: Object.assign({}, ...all.toReversed().map(({ annotations }) => annotations)),
    mounts: unique(
      all.flatMap(({ mounts }) => mounts),
      ({ containerPath }) => containerPath,
    ),
    devices: unique(
      all.flatMap(({ devices }) => devices),
      ({ containerPath }) => containerPath,
    ),
    cdiDevices: unique(
      all.flatMap(({ cdiDevices }) => cdiDevices),
      ({ name }) => name,
    ),
  };
}

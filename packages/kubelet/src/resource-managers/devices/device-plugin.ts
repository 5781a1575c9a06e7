// One device plugin on its socket: its options, its devices as they change, and the calls it answers.
import { join } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import { serviceMethods } from "../../grpc/service-methods.ts";
import { PluginClient } from "../../plugin-registration/plugin-client.ts";
import type { DeviceNodes } from "./choose-devices.ts";
import descriptor from "./deviceplugin-v1beta1.json" with { type: "json" };
import type { DeviceOptions } from "./pod-devices.ts";

/** Which optional calls the plugin wants to be asked. */
export interface PluginOptions {
  readonly preStartRequired: boolean;
  readonly getPreferredAllocationAvailable: boolean;
}

/** What a plugin last said of its devices. */
export interface DeviceList {
  readonly nodes: DeviceNodes;
  readonly healthy: ReadonlySet<string>;
}

interface ListedDevice {
  readonly ID: string;
  readonly health: string;
  readonly topology: { readonly nodes: readonly { readonly ID: string }[] } | null;
}

/** Upstream's limit for PreStartContainer; a plugin that hangs must not hold up the node for ever. */
const CALL_TIMEOUT_MS = 30_000;

/** Opened when the plugin registers. A lost connection is the plugin's end: it must register again. */
export class DevicePlugin {
  readonly resource: string;
  private readonly client: PluginClient;
  private readonly stop = new AbortController();

  constructor(resource: string, socket: string, clock: Clock) {
    this.resource = resource;
    this.client = new PluginClient(socket, serviceMethods(descriptor, ["v1beta1.DevicePlugin"]), { clock });
  }

  options(): Promise<PluginOptions> {
    return this.call("GetDevicePluginOptions", {});
  }

  /** Tells of each list until the plugin goes away or is closed. */
  async watch(onList: (list: DeviceList) => void): Promise<void> {
    const lists = this.client.messages<{ devices: ListedDevice[] }>("ListAndWatch", {}, this.stop.signal);
    for await (const { devices } of lists) onList(listOf(devices));
  }

  /** Tells the plugin that a container gets these; the answer is what the container needs to see of them. */
  async allocate(devicesIDs: readonly string[]): Promise<DeviceOptions> {
    const answer = await this.call<{ containerResponses: DeviceOptions[] }>("Allocate", {
      containerRequests: [{ devicesIDs }],
    });
    const [options] = answer.containerResponses;
    if (!options) throw new Error("no containers return in allocation response");
    return options;
  }

  /** The ids that the plugin would take; it need not be as many as asked for. */
  async preferredAllocation(
    available: Iterable<string>,
    mustInclude: Iterable<string>,
    size: number,
  ): Promise<readonly string[]> {
    const request = {
      availableDeviceIDs: [...available],
      mustIncludeDeviceIDs: [...mustInclude],
      allocationSize: size,
    };
    const answer = await this.call<{ containerResponses: { deviceIDs: string[] }[] }>("GetPreferredAllocation", {
      containerRequests: [request],
    });
    return answer.containerResponses[0]?.deviceIDs ?? [];
  }

  /** The last moment before a container starts, to reset a device for instance. */
  async preStartContainer(devicesIDs: readonly string[]): Promise<void> {
    await this.call("PreStartContainer", { devicesIDs });
  }

  close(): void {
    this.stop.abort();
    this.client[Symbol.dispose]();
  }

  private call<T>(name: string, request: object): Promise<T> {
    return this.client.call<T>(name, request, { timeoutMs: CALL_TIMEOUT_MS });
  }
}

function listOf(devices: readonly ListedDevice[]): DeviceList {
  const nodes = devices.map(
    ({ ID, topology }) => [ID, (topology?.nodes ?? []).map((node) => Number(node.ID))] as const,
  );
  const healthy = devices.filter(({ health }) => health === "Healthy").map(({ ID }) => ID);
  return { nodes: new Map(nodes), healthy: new Set(healthy) };
}

/** The socket of a plugin that registered under a name in the kubelet's folder. */
export function pluginSocket(folder: string, endpoint: string): string {
  return join(folder, endpoint);
}

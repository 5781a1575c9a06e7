// One device plugin on its socket: its options, its devices as they change, and the calls it answers.
import { join } from "node:path";
import type { Client, ServiceError } from "@grpc/grpc-js";
import { credentials, makeGenericClientConstructor } from "@grpc/grpc-js";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { GrpcMethod } from "../../cri/service-methods.ts";
import { serviceMethods } from "../../cri/service-methods.ts";
import { RpcError } from "../../plugin-registration/plugin-client.ts";
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
  private readonly client: Client;
  private readonly methods: Readonly<Record<string, GrpcMethod>>;
  private readonly clock: Pick<Clock, "now">;
  private readonly stop = new AbortController();

  constructor(resource: string, socket: string, clock: Pick<Clock, "now">) {
    this.resource = resource;
    this.clock = clock;
    this.methods = serviceMethods(descriptor, ["v1beta1.DevicePlugin"]);
    const Generic = makeGenericClientConstructor({}, "device-plugin");
    this.client = new Generic(`unix://${socket}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  options(): Promise<PluginOptions> {
    return this.call("GetDevicePluginOptions", {});
  }

  /** Tells of each list until the plugin goes away or is closed. */
  async watch(onList: (list: DeviceList) => void): Promise<void> {
    const { path, requestSerialize, responseDeserialize } = this.method("ListAndWatch");
    const stream = this.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {});
    const cancel = () => stream.cancel();
    this.stop.signal.addEventListener("abort", cancel, { once: true });
    try {
      for await (const message of stream) onList(listOf((message as { devices: ListedDevice[] }).devices));
    } finally {
      this.stop.signal.removeEventListener("abort", cancel);
    }
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
    this.client.close();
  }

  private method(name: string): GrpcMethod {
    const method = this.methods[name];
    if (!method) throw new Error(`device plugins have no method ${name}`);
    return method;
  }

  private call<T>(name: string, request: object): Promise<T> {
    const { path, requestSerialize, responseDeserialize } = this.method(name);
    return new Promise((resolve, reject) => {
      const deadline = new Date(this.clock.now() + CALL_TIMEOUT_MS);
      const done = (error: ServiceError | null, answer?: object) =>
        error ? reject(new RpcError(error)) : resolve(answer as T);
      this.client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, { deadline }, done);
    });
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

// A device plugin for tests: a real gRPC server that offers what a test says and records what it is asked.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData } from "@grpc/grpc-js";
import { credentials, makeGenericClientConstructor, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { serviceMethods } from "../grpc/service-methods.ts";
import descriptor from "../resource-managers/devices/deviceplugin-v1beta1.json" with { type: "json" };

export interface FakeDevice {
  readonly ID: string;
  readonly health: "Healthy" | "Unhealthy";
  readonly topology?: { readonly nodes: readonly { readonly ID: number }[] };
}

export interface FakePluginOptions {
  readonly folder: string;
  readonly resource: string;
  readonly devices: readonly FakeDevice[];
  readonly preStartRequired?: boolean;
  /** The ids to prefer, from those offered. */
  prefer?(available: readonly string[]): string[];
  /** What a container gets for its devices; throws what the kubelet is told instead. */
  respond(ids: readonly string[]): object;
}

type Unary = (call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>) => void;

export class FakeDevicePlugin implements AsyncDisposable {
  readonly calls: { readonly method: string; readonly request: unknown }[] = [];
  private readonly options: FakePluginOptions;
  private readonly server = new Server();
  private readonly watchers = new Set<ServerWritableStream<object, object>>();
  private devices: readonly FakeDevice[];

  private constructor(options: FakePluginOptions) {
    this.options = options;
    this.devices = options.devices;
  }

  static async start(options: FakePluginOptions): Promise<FakeDevicePlugin> {
    const plugin = new FakeDevicePlugin(options);
    await rm(plugin.socket, { force: true });
    await plugin.serve();
    return plugin;
  }

  get endpoint(): string {
    return `${this.options.resource.replace("/", "-")}.sock`;
  }

  get socket(): string {
    return join(this.options.folder, this.endpoint);
  }

  /** Rejects with what the kubelet says against it. */
  async register(version = "v1beta1"): Promise<void> {
    const { Register } = serviceMethods(descriptor, ["v1beta1.Registration"]);
    if (!Register) throw new Error("the contract has no Register");
    const Generic = makeGenericClientConstructor({}, "registration");
    const client = new Generic(`unix://${join(this.options.folder, "kubelet.sock")}`, credentials.createInsecure());
    const request = { version, endpoint: this.endpoint, resourceName: this.options.resource };
    try {
      await new Promise<void>((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = Register;
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error) => {
          if (error) reject(new Error(error.details));
          else resolve();
        });
      });
    } finally {
      client.close();
    }
  }

  /** Tells the kubelet of another list. */
  offer(devices: readonly FakeDevice[]): void {
    this.devices = devices;
    for (const watcher of this.watchers) watcher.write({ devices });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.server.forceShutdown();
    await rm(this.socket, { force: true });
  }

  private async serve(): Promise<void> {
    const { prefer, preStartRequired = false, respond } = this.options;
    const handlers: Record<string, Unary> = {
      GetDevicePluginOptions: (_call, callback) =>
        callback(null, { preStartRequired, getPreferredAllocationAvailable: prefer !== undefined }),
      Allocate: this.answer("Allocate", ({ containerRequests }) => ({
        containerResponses: (containerRequests as { devicesIDs: string[] }[]).map(({ devicesIDs }) =>
          respond(devicesIDs),
        ),
      })),
      GetPreferredAllocation: this.answer("GetPreferredAllocation", ({ containerRequests }) => ({
        containerResponses: (containerRequests as { availableDeviceIDs: string[] }[]).map(({ availableDeviceIDs }) => ({
          deviceIDs: prefer?.(availableDeviceIDs) ?? [],
        })),
      })),
      PreStartContainer: this.answer("PreStartContainer", () => ({})),
    };
    const watch = (call: ServerWritableStream<object, object>) => {
      this.watchers.add(call);
      call.on("cancelled", () => this.watchers.delete(call));
      call.write({ devices: this.devices });
    };
    this.server.addService(serviceMethods(descriptor, ["v1beta1.DevicePlugin"]), { ...handlers, ListAndWatch: watch });
    await new Promise<void>((resolve, reject) => {
      const done = (error: Error | null) => (error ? reject(error) : resolve());
      this.server.bindAsync(`unix://${this.socket}`, ServerCredentials.createInsecure(), done);
    });
  }

  private answer(method: string, respond: (request: Record<string, unknown>) => object): Unary {
    return (call, callback) => {
      const request = call.request as Record<string, unknown>;
      this.calls.push({ method, request });
      try {
        callback(null, respond(request));
      } catch (error) {
        callback({ code: status.UNKNOWN, details: (error as Error).message });
      }
    };
  }
}

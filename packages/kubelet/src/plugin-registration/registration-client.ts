// Asks a plugin's registration socket who it is, and tells it how its registration went.
import type { Clock } from "@skiff/component-base/clock.ts";
import { serviceMethods } from "../grpc/service-methods.ts";
import { PluginClient } from "./plugin-client.ts";
import type { PluginInfo } from "./plugin-handler.ts";
import descriptor from "./plugin-registration-v1.json" with { type: "json" };

/** Upstream's limits. */
const INFO_TIMEOUT_MS = 1000;
const NOTIFY_TIMEOUT_MS = 5000;

/** A plugin may serve on another socket than the one it registers on, and then names that as its endpoint. */
export class RegistrationClient implements Disposable {
  private readonly socket: string;
  private readonly client: PluginClient;

  constructor(socket: string, deps: { clock: Clock }) {
    this.socket = socket;
    this.client = new PluginClient(socket, serviceMethods(descriptor, ["pluginregistration.Registration"]), deps);
  }

  /** Rejects with an RpcError where nobody answers within a second. */
  async getInfo(signal: AbortSignal): Promise<PluginInfo> {
    const info = await this.client.call<PluginInfo>("GetInfo", {}, { timeoutMs: INFO_TIMEOUT_MS, signal });
    return { ...info, endpoint: info.endpoint || this.socket };
  }

  async notify(status: { pluginRegistered: boolean; error: string }, signal: AbortSignal): Promise<void> {
    await this.client.call("NotifyRegistrationStatus", status, { timeoutMs: NOTIFY_TIMEOUT_MS, signal });
  }

  [Symbol.dispose](): void {
    this.client[Symbol.dispose]();
  }
}

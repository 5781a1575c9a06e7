// The CSI drivers of this node: registered through their sockets, shown in the CSINode object, found by name.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { socketPath } from "../../grpc/grpc-client.ts";
import type { PluginHandler, PluginInfo } from "../../plugin-registration/plugin-handler.ts";
import { CsiClient } from "./csi-client.ts";
import type { CsiNodeObject } from "./csi-node-object.ts";

export interface CsiDriversDeps {
  readonly object: Pick<CsiNodeObject, "install" | "uninstall">;
  readonly clock: Clock;
  readonly log: Logger;
  /** How often the driver wants to be asked how many volumes the node takes; undefined for never. */
  countPeriodMs(driver: string, signal: AbortSignal): Promise<number | undefined>;
}

/** How soon it is noticed that a driver wants to be asked. */
const PERIOD_LOOK_MS = 60_000;

interface Driver {
  readonly endpoint: string;
  readonly client: CsiClient;
  /** Monotonic. */
  countDueAt: number;
}

/**
 * A driver can be used once the CSINode object shows it: the attacher takes the node's name at the driver from there.
 */
export class CsiDrivers implements PluginHandler {
  private readonly deps: CsiDriversDeps;
  private readonly drivers = new Map<string, Driver>();
  /** Told of each driver that can be used from now on. */
  onRegistered: (name: string) => void = () => {};

  constructor(deps: CsiDriversDeps) {
    this.deps = deps;
  }

  /** Throws upstream's words for a driver that is not here. */
  client(name: string): CsiClient {
    const driver = this.drivers.get(name);
    if (!driver) throw new Error(`driver name ${name} not found in the list of registered CSI drivers`);
    return driver.client;
  }

  /** Version 1 in any of its spellings; throws what the plugin is told. */
  validate({ name, supportedVersions }: PluginInfo): void {
    if (supportedVersions.length === 0) {
      throw new Error(`CSI driver ${JSON.stringify(name)}: plugin returned an empty list for supported versions`);
    }
    if (supportedVersions.some((version) => /^v?1(\.|$)/.test(version))) return;
    const list = supportedVersions.join(", ");
    throw new Error(`CSI driver ${JSON.stringify(name)}: none of the versions [${list}] is supported, version 1 is`);
  }

  /** Takes the place of an earlier socket of the same driver. */
  async register({ name, endpoint }: PluginInfo, signal: AbortSignal): Promise<void> {
    const client = new CsiClient(endpoint, this.deps);
    const countDueAt = this.deps.clock.monotonic();
    this.replace(name, { endpoint: socketPath(endpoint), client, countDueAt });
    try {
      await this.deps.object.install(name, await client.nodeInfo(signal), signal);
    } catch (error) {
      if (this.drivers.get(name)?.client === client) this.replace(name, undefined);
      throw error;
    }
    this.onRegistered(name);
  }

  /** Volumes of the driver stay mounted; ending them waits until it is back. */
  async deregister(name: string, signal: AbortSignal): Promise<void> {
    this.replace(name, undefined);
    await this.deps.object.uninstall(name, signal);
  }

  /** Shows all drivers again, on a Node that is new. */
  async reinstall(signal: AbortSignal): Promise<void> {
    for (const [name, { client }] of this.drivers) {
      await this.deps.object.install(name, await client.nodeInfo(signal), signal);
    }
  }

  /** Shows anew how many volumes the node takes, for drivers whose CSIDriver object says how often. */
  async renewCounts(signal: AbortSignal): Promise<void> {
    for (const [name, driver] of this.drivers) {
      const now = this.deps.clock.monotonic();
      if (now < driver.countDueAt) continue;
      const periodMs = await this.deps.countPeriodMs(name, signal);
      driver.countDueAt = now + (periodMs ?? PERIOD_LOOK_MS);
      if (periodMs) await this.deps.object.install(name, await driver.client.nodeInfo(signal), signal);
    }
  }

  private replace(name: string, driver: Driver | undefined): void {
    this.drivers.get(name)?.client[Symbol.dispose]();
    if (driver) this.drivers.set(name, driver);
    else this.drivers.delete(name);
  }
}

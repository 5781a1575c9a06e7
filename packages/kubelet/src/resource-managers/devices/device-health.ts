// How the devices of a container are, as its status tells. Pure.
import type { ResourceStatus } from "@skiff/api/types.ts";
import type { DeviceList } from "./device-plugin.ts";
import type { DeviceEntry } from "./pod-devices.ts";

/** What is known of one resource; absent for a plugin that never came back after a restart. */
export interface KnownDevices {
  readonly devices: DeviceList;
  /** Monotonic; undefined while the plugin is there. */
  readonly stoppedAt: number | undefined;
}

/** Nobody can say how devices are whose plugin is away. */
export function deviceHealth(
  entries: readonly DeviceEntry[],
  known: (resource: string) => KnownDevices | undefined,
): ResourceStatus[] {
  return entries.map(({ resource, devices }) => {
    const endpoint = known(resource);
    const isTold = (id: string) => endpoint?.stoppedAt === undefined && endpoint?.devices.nodes.has(id);
    const healthOf = (id: string) => (endpoint?.devices.healthy.has(id) ? "Healthy" : "Unhealthy");
    const ids = [...new Set([...devices.values()].flat())].sort();
    const resources = ids.map((id) => ({ resourceID: id, health: isTold(id) ? healthOf(id) : "Unknown" }));
    return { name: resource, resources };
  });
}

// The cluster addresses of a Service: which it holds, and what an update takes and gives back. Pure.
import type { Service } from "@skiff/api/types.ts";
import type { IpFamily } from "./ip-range.ts";

/** ExternalName Services and headless ones have no address. */
function needsClusterIp({ spec }: Readonly<Service>): boolean {
  return spec.type !== "ExternalName" && spec.clusterIP !== "None" && spec.clusterIPs?.[0] !== "None";
}

/** The addresses that a Service holds. */
export function heldClusterIps(service: Readonly<Service>): string[] {
  if (!needsClusterIp(service)) return [];
  const { clusterIP, clusterIPs } = service.spec;
  return (clusterIPs?.length ? clusterIPs : [clusterIP ?? ""]).filter(Boolean);
}

/** One address to take: `wanted` by name, or any of the family. */
export interface WantedAddress {
  readonly at: number;
  readonly family: IpFamily;
  readonly wanted: string;
}

/** What the Service lacks of the families that it has; its `ipFamilies` are filled in. */
export function missingAddresses(service: Readonly<Service>, previous: Readonly<Service> | undefined): WantedAddress[] {
  if (!needsClusterIp(service)) return [];
  const held = new Set(previous ? heldClusterIps(previous) : []);
  const { ipFamilies = [], clusterIPs = [] } = service.spec;
  return ipFamilies
    .map((family, at) => ({ at, family: family as IpFamily, wanted: clusterIPs[at] ?? "" }))
    .filter(({ wanted }) => !held.has(wanted));
}

// The ClusterIP of a Service: which Services have one, and taking or giving it back.

import type { ApiError } from "@skiff/api/errors.ts";
import { internalError, invalid } from "@skiff/api/errors.ts";
import type { Service } from "@skiff/api/types.ts";
import { invalidValue, root } from "@skiff/api/validation/path.ts";
import type { IpRange } from "./ip-range.ts";
import { pickFree } from "./number-range.ts";

/** ExternalName Services and headless ones have no address. */
export function needsClusterIp({ spec }: Readonly<Service>): boolean {
  return spec.type !== "ExternalName" && spec.clusterIP !== "None";
}

/** The address that a Service holds. */
export function heldClusterIp(service: Readonly<Service>): string | undefined {
  const ip = service.spec.clusterIP;
  return needsClusterIp(service) && ip ? ip : undefined;
}

/** Marks the wanted address, or a free one, as used, and returns its offset. Throws upstream's refusals. */
export function takeClusterIp(used: Set<number>, range: IpRange, service: Readonly<Service>): number {
  const wanted = service.spec.clusterIP;
  if (!wanted) {
    const offset = pickFree(reserveFirst(used), range, Math.random);
    if (offset === undefined) throw internalError("failed to allocate a serviceIP: range is full");
    used.add(offset);
    return offset;
  }
  const offset = range.offsetOf(wanted);
  if (offset === undefined) {
    const why = `provided IP is not in the valid range. The range of valid IPs is ${range.text}`;
    throw refuse(service, wanted, why);
  }
  if (used.has(offset)) throw refuse(service, wanted, "provided IP is already allocated");
  used.add(offset);
  return offset;
}

/** The first address is the apiserver's own Service `kubernetes`, which asks for it by name. */
function reserveFirst(used: ReadonlySet<number>): ReadonlySet<number> {
  return new Set(used).add(0);
}

function refuse(service: Readonly<Service>, wanted: string, why: string): ApiError {
  const detail = `failed to allocate IP ${wanted}: ${why}`;
  const error = invalidValue(root("spec").child("clusterIPs"), service.spec.clusterIPs ?? [wanted], detail);
  return invalid("", "Service", service.metadata.name, [error]);
}

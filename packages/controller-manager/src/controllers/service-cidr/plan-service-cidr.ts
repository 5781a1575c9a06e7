// Whether a ServiceCIDR may go: not while an address in it would be left without any range. Pure.
import { cidrContains, parseCidr, parseIp } from "@skiff/api/ip.ts";
import type { IPAddress, ServiceCIDR } from "@skiff/api/types.ts";

/** While it stands, a deleted ServiceCIDR stays, and apiservers give no more addresses from it. */
export const PROTECTION_FINALIZER = "networking.k8s.io/service-cidr-finalizer";

const MANAGED_BY = "ipaddress.kubernetes.io/managed-by";
const ALLOCATOR = "ipallocator.k8s.io";

/** `others` may hold the one in question, which counts as gone. */
export function canDelete(
  cidr: Readonly<ServiceCIDR>,
  others: readonly Readonly<ServiceCIDR>[],
  addresses: readonly Readonly<IPAddress>[],
): boolean {
  const rest = others.filter(({ metadata }) => metadata.name !== cidr.metadata.name);
  return !addresses.some(
    (address) => isAllocated(address) && isWithin(cidr, address) && !rest.some((other) => isWithin(other, address)),
  );
}

/** Only what apiservers gave to Services holds a range. */
export function isAllocated({ metadata }: Readonly<IPAddress>): boolean {
  return metadata.labels?.[MANAGED_BY] === ALLOCATOR;
}

/** An IPAddress is named by its address. */
export function isWithin({ spec }: Readonly<ServiceCIDR>, { metadata }: Readonly<IPAddress>): boolean {
  const ip = parseIp(metadata.name);
  return (spec?.cidrs ?? []).some((text) => {
    const range = parseCidr(text);
    return range !== undefined && ip !== undefined && cidrContains(range, ip);
  });
}

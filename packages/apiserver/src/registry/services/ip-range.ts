// The addresses of Services as offsets from the first one that can be used.
import { cidrContains, cidrSize, formatIp, nthAddress, parseCidr, parseIp } from "@skiff/api/ip.ts";
import type { NumberRange } from "./number-range.ts";
import { lowerBandSize } from "./number-range.ts";

/** As `spec.ipFamilies` of a Service spells them. */
export type IpFamily = "IPv4" | "IPv6";

/** One CIDR; `text` is how flags and ServiceCIDR objects write it. */
export interface IpRange extends NumberRange {
  readonly family: IpFamily;
  readonly text: string;
}

// As many as numbers count exactly: the rest of a wider IPv6 range can be had by name only, and is not missed.
const MAX_SIZE = 2n ** 48n;
/** The limit of ServiceCIDR validation upstream, which the flag shares here. */
const SHORTEST_IPV6_PREFIX = 64;

/** Leaves out the network's own address and, for IPv4, the broadcast address. Throws for text that is no CIDR. */
export function ipRange(text: string): IpRange {
  const cidr = parseCidr(text);
  if (!cidr) throw new Error(`"${text}" is not a valid Service address range`);
  if (cidr.version === 6 && cidr.prefix < SHORTEST_IPV6_PREFIX) {
    throw new Error(`shortest allowed prefix length for service CIDR is ${SHORTEST_IPV6_PREFIX}, got ${cidr.prefix}`);
  }
  const usable = cidr.version === 4 ? cidrSize(cidr) - 2n : cidrSize(cidr) - 1n;
  const size = Number(usable < MAX_SIZE ? usable : MAX_SIZE);
  if (size < 1) throw new Error(`the Service address range ${text} is too small`);
  return {
    text,
    family: cidr.version === 4 ? "IPv4" : "IPv6",
    size,
    // The lower band is left to those who ask for an address by name, such as cluster DNS, so that chance seldom takes
    // it before them.
    dynamicFrom: lowerBandSize(size, { min: 16, max: 256, step: 16 }),
    offsetOf(value) {
      const ip = parseIp(value);
      if (!ip || !cidrContains(cidr, ip)) return undefined;
      const offset = ip.value - cidr.value - 1n;
      return offset >= 0n && offset < usable ? Number(offset) : undefined;
    },
    valueAt(offset) {
      const ip = nthAddress(cidr, BigInt(offset) + 1n);
      return ip ? formatIp(ip) : "";
    },
  };
}

/** The family of an address that is known to be one. */
export function familyOf(ip: string): IpFamily {
  return ip.includes(":") ? "IPv6" : "IPv4";
}

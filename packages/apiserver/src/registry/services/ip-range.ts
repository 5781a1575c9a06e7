// The addresses of Services as offsets from the first one that can be used.
import { cidrContains, cidrSize, formatIp, nthAddress, parseCidr, parseIp } from "@skiff/api/ip.ts";
import type { NumberRange } from "./number-range.ts";
import { lowerBandSize } from "./number-range.ts";

export interface IpRange extends NumberRange {
  readonly family: "IPv4" | "IPv6";
  readonly text: string;
}

// Beyond this many addresses an IPv6 range is not looked at, as upstream.
const MAX_IPV6_SIZE = 65_536n;

/** Leaves out the network's own address and, for IPv4, the broadcast address. Throws for text that is no CIDR. */
export function ipRange(text: string): IpRange {
  const cidr = parseCidr(text);
  if (!cidr) throw new Error(`"${text}" is not a valid Service address range`);
  const all = cidrSize(cidr);
  const usable = cidr.version === 4 ? all - 2n : (all < MAX_IPV6_SIZE ? all : MAX_IPV6_SIZE) - 1n;
  const size = Number(usable);
  if (size < 1) throw new Error(`the Service address range ${text} is too small`);
  return {
    text,
    family: cidr.version === 4 ? "IPv4" : "IPv6",
    size,
    dynamicFrom: lowerBandSize(size, { min: 16, max: 256, step: 16 }),
    offsetOf(value) {
      const ip = parseIp(value);
      if (!ip || !cidrContains(cidr, ip)) return undefined;
      const offset = Number(ip.value - cidr.value) - 1;
      return offset >= 0 && offset < size ? offset : undefined;
    },
    valueAt(offset) {
      const ip = nthAddress(cidr, offset + 1);
      return ip ? formatIp(ip) : "";
    },
  };
}

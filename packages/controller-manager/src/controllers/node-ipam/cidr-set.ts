// The subnets of one cluster range: which are taken, and which is next.

import type { Cidr } from "@skiff/api/ip.ts";
import { cidrContains, cidrsOverlap, formatCidr, parseCidr, splitCidr } from "@skiff/api/ip.ts";

/** Upstream's clusterSubnetMaxDiff: more subnets than 2^16 of one range are not told apart. */
const MAX_SUBNET_BITS = 16;

/** Subnets are numbered from the start of the range. */
export class CidrSet {
  readonly range: Cidr;
  private readonly maskSize: number;
  private readonly count: number;
  private readonly used = new Set<number>();
  private next = 0;

  /** Throws when the range cannot be split so. */
  constructor(range: Cidr, maskSize: number) {
    const bits = maskSize - range.prefix;
    if (bits < 0) throw new Error(`node mask /${maskSize} is larger than the cluster range ${formatCidr(range)}`);
    if (bits > MAX_SUBNET_BITS) {
      throw new Error(
        `node mask /${maskSize} splits ${formatCidr(range)} into more than ${2 ** MAX_SUBNET_BITS} subnets`,
      );
    }
    this.range = range;
    this.maskSize = maskSize;
    this.count = 2 ** bits;
  }

  /** A free subnet, now taken; undefined when there is none. Goes round, so that a freed subnet rests before its next use. */
  allocate(): string | undefined {
    if (this.used.size >= this.count) return undefined;
    while (this.used.has(this.next)) this.next = (this.next + 1) % this.count;
    const subnet = splitCidr(this.range, this.maskSize, this.next);
    if (!subnet) return undefined;
    this.used.add(this.next);
    this.next = (this.next + 1) % this.count;
    return formatCidr(subnet);
  }

  /** Takes whatever overlaps `text`, which may lie outside of the range or be wider than it. */
  occupy(text: string): void {
    for (const index of this.indexesOf(text)) this.used.add(index);
  }

  /** What lies outside of the range is passed over. */
  release(text: string): void {
    for (const index of this.indexesOf(text)) this.used.delete(index);
  }

  /** The subnets that share an address with `text`; none when it is no CIDR. */
  private indexesOf(text: string): number[] {
    const cidr = parseCidr(text);
    if (!cidr || !cidrsOverlap(this.range, cidr)) return [];
    if (!cidrContains(this.range, cidr)) return Array.from({ length: this.count }, (_, index) => index);
    const subnetBits = BigInt((cidr.version === 4 ? 32 : 128) - this.maskSize);
    const first = Number((cidr.value - this.range.value) >> subnetBits);
    // A wider one than a node's takes several, a narrower one the subnet that it lies in.
    const width = cidr.prefix >= this.maskSize ? 1 : 2 ** (this.maskSize - cidr.prefix);
    return Array.from({ length: Math.min(width, this.count - first) }, (_, index) => first + index);
  }
}

// Which node holds which pod subnets.
import { parseCidr } from "@skiff/api/ip.ts";
import type { Node } from "@skiff/api/types.ts";
import { CidrSet } from "./cidr-set.ts";

/** From the flags, checked there. */
export interface RangeOptions {
  /** One, or one of each IP version. */
  readonly clusterCidrs: readonly string[];
  readonly maskSizeV4: number;
  readonly maskSizeV6: number;
  /** Never given to nodes where they overlap. */
  readonly serviceCidrs: readonly string[];
}

/** The state is the nodes' own: it is built from them at start, and a lost write leaves only a subnet to be found again. */
export class RangeAllocator {
  private readonly sets: readonly CidrSet[];
  private readonly held = new Map<string, readonly string[]>();

  constructor({ clusterCidrs, maskSizeV4, maskSizeV6, serviceCidrs }: RangeOptions) {
    this.sets = clusterCidrs.map((text) => {
      const cidr = parseCidr(text);
      if (!cidr) throw new Error(`--cluster-cidr: "${text}" is no CIDR`);
      return new CidrSet(cidr, cidr.version === 4 ? maskSizeV4 : maskSizeV6);
    });
    for (const text of serviceCidrs) for (const set of this.sets) set.occupy(text);
  }

  /** Notes what a node says that it holds. */
  observe(node: Readonly<Node>): void {
    const cidrs = podCidrsOf(node);
    if (cidrs.length === 0) return;
    const before = this.held.get(node.metadata.name);
    if (before && before.join() !== cidrs.join()) this.release(node.metadata.name);
    // Each set takes its own and ignores those of the other IP version.
    for (const cidr of cidrs) for (const set of this.sets) set.occupy(cidr);
    this.held.set(node.metadata.name, cidrs);
  }

  /** Subnets for a node without any: those given before and not yet seen in its spec, or new ones; undefined when all are taken. */
  allocate(name: string): readonly string[] | undefined {
    const known = this.held.get(name);
    if (known) return known;
    const cidrs: string[] = [];
    for (const set of this.sets) {
      const cidr = set.allocate();
      if (cidr === undefined) {
        // All or nothing: half a dual-stack node would get its other range never.
        this.free(cidrs);
        return undefined;
      }
      cidrs.push(cidr);
    }
    this.held.set(name, cidrs);
    return cidrs;
  }

  /** The node is gone. */
  release(name: string): void {
    this.free(this.held.get(name) ?? []);
    this.held.delete(name);
  }

  private free(cidrs: readonly string[]): void {
    for (const cidr of cidrs) for (const set of this.sets) set.release(cidr);
  }
}

/** Older writers set the one field, newer ones both. */
export function podCidrsOf({ spec }: Readonly<Node>): readonly string[] {
  if (spec?.podCIDRs?.length) return spec.podCIDRs;
  return spec?.podCIDR ? [spec.podCIDR] : [];
}

// The ranges that Services get addresses from: the ServiceCIDR objects, or the flag until there is one made of it.
import { serviceCidrs } from "@skiff/api/resource-ref.ts";
import type { ServiceCIDR } from "@skiff/api/types.ts";
import type { ObjectReader } from "../object-access.ts";
import { type IpFamily, type IpRange, ipRange } from "./ip-range.ts";

/** The ServiceCIDR that the apiservers make of --service-cluster-ip-range. */
export const DEFAULT_SERVICE_CIDR = "kubernetes";

/** Read anew at every use, so that a ServiceCIDR that somebody adds counts for the next Service. */
export class ServiceRanges {
  /** Of the flag, in its order: the first is the family of Services that ask for none. */
  readonly configured: readonly IpRange[];
  private readonly reader: ObjectReader;
  /** Ranges by their text: making one is the dear part, and the objects hardly ever change. */
  private known = new Map<string, IpRange>();

  /** Throws when the text is not one range, or one of each family. */
  constructor(reader: ObjectReader, flag: string) {
    this.reader = reader;
    this.configured = flag.split(",").map((text) => ipRange(text.trim()));
    if (this.configured.length > 2) throw new Error("--service-cluster-ip-range must not hold more than two entries");
    const [first, second] = this.configured;
    if (second && first?.family === second.family) {
      throw new Error("--service-cluster-ip-range must be of different IP families when it holds two entries");
    }
  }

  /** The families of the cluster: those of the flag, for ServiceCIDR objects only widen what it says. */
  get families(): readonly IpFamily[] {
    return this.configured.map(({ family }) => family);
  }

  /** Those that new addresses may come from. */
  ready(family: IpFamily): IpRange[] {
    return this.of(family, isReady);
  }

  /** Whether any range has the address, also one that is on its way out. */
  contains(address: string, family: IpFamily): boolean {
    return this.of(family, () => true).some((range) => range.offsetOf(address) !== undefined);
  }

  private of(family: IpFamily, wanted: (cidr: Readonly<ServiceCIDR>) => boolean): IpRange[] {
    const objects = this.reader.list(serviceCidrs);
    const texts = objects.filter(wanted).flatMap(({ spec }) => spec?.cidrs ?? []);
    // In a new cluster the object is not there yet when the first Service comes.
    const isMissing = !objects.some(({ metadata }) => metadata.name === DEFAULT_SERVICE_CIDR);
    const all = new Set([...texts, ...(isMissing ? this.configured.map(({ text }) => text) : [])]);
    const ranges = new Map([...all].flatMap((text) => this.rangeOf(text)));
    this.known = ranges;
    return [...ranges.values()].filter((range) => range.family === family);
  }

  /** Nothing for what validation lets through and no address can come from, such as a /32. */
  private rangeOf(text: string): [string, IpRange][] {
    try {
      return [[text, this.known.get(text) ?? ipRange(text)]];
    } catch {
      return [];
    }
  }
}

/** Without a controller manager nobody writes the condition, and the range counts. */
function isReady({ metadata, status }: Readonly<ServiceCIDR>): boolean {
  if (metadata.deletionTimestamp) return false;
  const condition = status?.conditions?.find(({ type }) => type === "Ready");
  return condition === undefined || condition.status === "True";
}

// What has come apart between Services and the IPAddress objects that say whose an address is. Pure.
import type { IPAddress, Service } from "@skiff/api/types.ts";
import { parseTime } from "@skiff/component-base/clock.ts";
import type { AddressTrouble } from "./address-events.ts";
import { heldClusterIps } from "./cluster-ips.ts";
import { familyOf } from "./ip-range.ts";
import { ALLOCATOR, FAMILY_LABEL, isHeldBy, MANAGED_BY_LABEL } from "./service-addresses.ts";

/** What the next round of the repair has to do. */
export interface AddressRepair {
  /** Objects that nobody holds, or that say something wrong: they go first. */
  readonly remove: readonly Readonly<IPAddress>[];
  readonly create: readonly { readonly service: Readonly<Service>; readonly address: string }[];
  /** What only a person can put right. */
  readonly problems: readonly {
    readonly service: Readonly<Service>;
    readonly address: string;
    readonly trouble: AddressTrouble;
  }[];
}

// A Service that is being created has its address before anybody can see it; a request lasts a minute at most.
const CREATION_MS = 60_000;

/** Services are the truth: an object follows the Service that holds its address, the older one where two do. */
export function planAddressRepair(
  services: readonly Readonly<Service>[],
  addresses: readonly Readonly<IPAddress>[],
  isInRange: (address: string) => boolean,
  nowMs: number,
): AddressRepair {
  const objects = new Map(addresses.map((object) => [object.metadata.name, object]));
  const holders = holdersOf(services);
  const remove = new Set<Readonly<IPAddress>>();
  const create: AddressRepair["create"][number][] = [];
  const problems: AddressRepair["problems"][number][] = [];
  for (const [address, held] of holders) {
    const object = objects.get(address);
    const owner = (object && held.find((service) => isHeldBy(object, service))) ?? held[0];
    for (const service of held) {
      if (service !== owner) problems.push({ service, address, trouble: "shared" });
    }
    if (!owner) continue;
    // Such an address works until its Service is made again, so that a person decides when.
    if (!isInRange(address)) problems.push({ service: owner, address, trouble: "out-of-range" });
    else if (!object || !isHeldBy(object, owner) || !isLabelled(object)) {
      if (object) remove.add(object);
      create.push({ service: owner, address });
    }
  }
  for (const object of addresses) if (isLeaked(object, holders, nowMs)) remove.add(object);
  return { remove: [...remove], create, problems };
}

/** Services by the address that they hold; the older one first. */
function holdersOf(services: readonly Readonly<Service>[]): Map<string, Readonly<Service>[]> {
  const holders = new Map<string, Readonly<Service>[]>();
  const byAge = services.toSorted((a, b) => ageOf(a) - ageOf(b));
  for (const service of byAge) {
    for (const address of heldClusterIps(service)) holders.set(address, [...(holders.get(address) ?? []), service]);
  }
  return holders;
}

function isLeaked(
  object: Readonly<IPAddress>,
  holders: ReadonlyMap<string, readonly Readonly<Service>[]>,
  nowMs: number,
): boolean {
  // Whoever else makes IPAddress objects keeps them himself.
  if (object.metadata.labels?.[MANAGED_BY_LABEL] !== ALLOCATOR) return false;
  if (holders.has(object.metadata.name)) return false;
  return nowMs - ageOf(object) > CREATION_MS;
}

function isLabelled({ metadata }: Readonly<IPAddress>): boolean {
  const { labels = {} } = metadata;
  return labels[MANAGED_BY_LABEL] === ALLOCATOR && labels[FAMILY_LABEL] === familyOf(metadata.name);
}

function ageOf({ metadata }: Readonly<Service | IPAddress>): number {
  return parseTime(metadata.creationTimestamp ?? "") || 0;
}

// Takes addresses for Services and gives them back. Creating the IPAddress object is the claim: etcd lets one name be made once.
import { internalError, invalid, isAlreadyExists, isConflict } from "@skiff/api/errors.ts";
import type { Unsaved } from "@skiff/api/object.ts";
import { ipAddresses } from "@skiff/api/resource-ref.ts";
import type { IPAddress, Service } from "@skiff/api/types.ts";
import { invalidValue, root } from "@skiff/api/validation/path.ts";
import type { Counter, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { ObjectReader, ObjectWriter } from "../object-access.ts";
import { familyOf, type IpFamily, type IpRange } from "./ip-range.ts";
import { offsetsToTry } from "./number-range.ts";
import type { ServiceRanges } from "./service-ranges.ts";

/** `IPv4` or `IPv6`, for those who list the addresses of one family. */
export const FAMILY_LABEL = "ipaddress.kubernetes.io/ip-family";
/** Who made the object: the repair touches only those of the allocator. */
export const MANAGED_BY_LABEL = "ipaddress.kubernetes.io/managed-by";
/** Upstream's name of this very allocator, so that both recognize each other's objects. */
export const ALLOCATOR = "ipallocator.k8s.io";

/** An address that was taken, and the object that says so. */
export interface Claim {
  readonly address: string;
  /** Undefined for dry runs, which claim nothing. */
  readonly uid: string | undefined;
}

interface Deps {
  readonly reader: ObjectReader;
  /** Must not run the hooks of Services. */
  readonly writer: ObjectWriter;
  readonly ranges: ServiceRanges;
  readonly metrics: MetricsRegistry;
}

/** A dry run claims nothing, and so says only what the cache knows. */
export class ServiceAddresses {
  private readonly deps: Deps;
  private readonly taken: Counter;
  private readonly refused: Counter;

  constructor(deps: Deps) {
    this.deps = deps;
    const prefix = "kube_apiserver_clusterip_allocator_allocation";
    this.taken = deps.metrics.counter(`${prefix}_total`, "Number of Cluster IPs allocations");
    this.refused = deps.metrics.counter(`${prefix}_errors_total`, "Number of errors trying to allocate Cluster IPs");
  }

  /** Any free address of a family. Throws 500 when all ranges are full. */
  async takeAny(service: Readonly<Service>, family: IpFamily, dryRun: boolean, signal: AbortSignal): Promise<Claim> {
    for (const range of this.deps.ranges.ready(family)) {
      const reserved = this.reserved();
      // The cache spares most claims that would fail; the one that succeeds is decided by etcd.
      for (const offset of offsetsToTry(range, Math.random)) {
        const address = range.valueAt(offset);
        if (address === reserved || this.deps.reader.get(ipAddresses, "", address)) continue;
        const claim = dryRun ? { address, uid: undefined } : await this.claim(service, address, signal);
        if (!claim) continue;
        this.count(this.taken, range, "dynamic", dryRun);
        return claim;
      }
      this.count(this.refused, range, "dynamic", dryRun);
    }
    throw internalError("failed to allocate a serviceIP: range is full");
  }

  /** The address that a Service asks for. Throws 422 when it cannot have it. */
  async takeThis(service: Readonly<Service>, address: string, dryRun: boolean, signal: AbortSignal): Promise<Claim> {
    const ranges = this.deps.ranges.ready(familyOf(address));
    const range = ranges.find((one) => one.offsetOf(address) !== undefined);
    if (!range) {
      const valid = ranges.map(({ text }) => text).join(", ");
      throw refuse(service, address, `provided IP is not in the valid range. The range of valid IPs is ${valid}`);
    }
    const isTaken = dryRun && this.deps.reader.get(ipAddresses, "", address) !== undefined;
    const claim = dryRun ? { address, uid: undefined } : await this.claim(service, address, signal);
    this.count(isTaken || !claim ? this.refused : this.taken, range, "static", dryRun);
    if (isTaken || !claim) throw refuse(service, address, "provided IP is already allocated");
    return claim;
  }

  /** Undefined when somebody has it. */
  async claim(service: Readonly<Service>, address: string, signal: AbortSignal): Promise<Claim | undefined> {
    try {
      const made = await this.deps.writer.create(ipAddresses, addressObject(service, address), signal);
      return { address, uid: made.metadata.uid };
    } catch (error) {
      if (isAlreadyExists(error)) return undefined;
      throw error;
    }
  }

  /** By the object's UID: the name may be another Service's by now. */
  async giveBack(claim: Claim, signal: AbortSignal): Promise<void> {
    if (!claim.uid) return;
    try {
      await this.deps.writer.delete(ipAddresses, "", claim.address, signal, claim.uid);
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
  }

  /** What the Service holds of that address, if it does. */
  async claimOf(service: Readonly<Service>, address: string, signal: AbortSignal): Promise<Claim | undefined> {
    const object = await this.deps.reader.getLatest(ipAddresses, "", address, signal);
    return object && isHeldBy(object, service) ? { address, uid: object.metadata.uid } : undefined;
  }

  /** The first address is the apiserver's own Service `kubernetes`, which asks for it by name. */
  private reserved(): string | undefined {
    return this.deps.ranges.configured[0]?.valueAt(0);
  }

  private count(counter: Counter, range: IpRange, scope: "dynamic" | "static", dryRun: boolean): void {
    if (!dryRun) counter.inc({ cidr: range.text, scope });
  }
}

/** The IPAddress that holds an address for a Service. Its name is the address, which makes it unique in the cluster. */
export function addressObject({ metadata }: Readonly<Service>, address: string): Unsaved<IPAddress> {
  const parentRef = { resource: "services", namespace: metadata.namespace ?? "", name: metadata.name };
  const labels = { [FAMILY_LABEL]: familyOf(address), [MANAGED_BY_LABEL]: ALLOCATOR };
  return { metadata: { name: address, labels }, spec: { parentRef } };
}

/** Whether the object names this Service as its owner. */
export function isHeldBy({ spec }: Readonly<IPAddress>, { metadata }: Readonly<Service>): boolean {
  const { parentRef } = spec;
  if (parentRef?.group || parentRef?.resource !== "services") return false;
  return parentRef.namespace === metadata.namespace && parentRef.name === metadata.name;
}

function refuse(service: Readonly<Service>, wanted: string, why: string): Error {
  const detail = `failed to allocate IP ${wanted}: ${why}`;
  const error = invalidValue(root("spec").child("clusterIPs"), service.spec.clusterIPs ?? [wanted], detail);
  return invalid("", "Service", service.metadata.name, [error]);
}

// Addresses and node ports of Services: taken before a Service is written, given back after it is gone.

import { services } from "@skiff/api/resource-ref.ts";
import type { Service } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { Kv } from "../../storage/kv.ts";
import type { ObjectReader, ObjectWriter, Undo, WriteHooks } from "../object-access.ts";
import { AddressKeeper } from "./address-keeper.ts";
import { heldClusterIps, missingAddresses } from "./cluster-ips.ts";
import { fillIpFamilies } from "./ip-families.ts";
import { heldNodePorts, takeNodePorts } from "./node-ports.ts";
import { servicePortEvent } from "./port-events.ts";
import type { PortRange } from "./port-range.ts";
import { portRange } from "./port-range.ts";
import { RangeRecord } from "./range-record.ts";
import { type RepairTarget, runServiceRepair } from "./repair.ts";
import { type Claim, ServiceAddresses } from "./service-addresses.ts";
import { ServiceRanges } from "./service-ranges.ts";

/** What the registry runs around the writes of Services, and beside them. */
export interface ServiceHooks {
  readonly hooks: readonly WriteHooks<Service>[];
  /** Brings the records and the Services together again, now and every few minutes, until the signal aborts. */
  repairLoop(signal: AbortSignal, onFirstRound: () => void): Promise<void>;
  /** The address of the Service `kubernetes`. */
  readonly firstAddress: string;
  /** The ranges of the flag, as the default ServiceCIDR holds them. */
  readonly configuredRanges: readonly string[];
}

/** What the allocation of addresses and ports is made of; the ranges are the text of the flags. */
interface Deps {
  readonly kv: Kv;
  readonly reader: ObjectReader;
  /** Writes IPAddress objects. */
  readonly writer: ObjectWriter;
  readonly clusterIpRange: string;
  readonly nodePortRange: string;
  readonly metrics: MetricsRegistry;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Ranges are text: `10.96.0.0/12,fd00::/108`, `30000-32767`. Throws when one cannot be read. */
export function createServiceHooks(deps: Deps): ServiceHooks {
  const ranges = new ServiceRanges(deps.reader, deps.clusterIpRange);
  const ports = portRange(deps.nodePortRange);
  const keeper = new AddressKeeper({ ...deps, ranges });
  const allocator = new ServiceAllocator({ ...deps, ranges, ports, keeper });
  const held = (service: Readonly<Service>) => heldNodePorts(service).map(String);
  const event: RepairTarget["event"] = (service, port, trouble, nowMs) =>
    servicePortEvent(service, port, { trouble, range: ports.text }, nowMs);
  const nodePorts = { name: "NodePort", range: ports, record: allocator.portRecord, held, event };
  return {
    hooks: [allocator.hooks],
    firstAddress: ranges.configured[0]?.valueAt(0) ?? "",
    configuredRanges: ranges.configured.map(({ text }) => text),
    // Ports live in one record and addresses in objects of their own, so that each has its own repair.
    repairLoop: async (signal, onFirstRound) => {
      let left = 2;
      const onRound = () => {
        left -= 1;
        if (left === 0) onFirstRound();
      };
      await Promise.all([
        runServiceRepair([nodePorts], deps, signal, once(onRound)),
        keeper.run(signal, once(onRound)),
      ]);
    },
  };
}

/**
 * Takes what a Service needs before it is written. A crash between the two leaves something taken that nobody holds,
 * which the repair finds.
 */
class ServiceAllocator {
  readonly portRecord: RangeRecord;
  readonly hooks: WriteHooks<Service>;
  private readonly addresses: ServiceAddresses;
  private readonly ranges: ServiceRanges;
  private readonly ports: PortRange;
  private readonly keeper: AddressKeeper;
  private readonly log: Logger;

  constructor(deps: Deps & { ranges: ServiceRanges; ports: PortRange; keeper: AddressKeeper }) {
    this.ranges = deps.ranges;
    this.ports = deps.ports;
    this.keeper = deps.keeper;
    this.log = deps.log;
    this.addresses = new ServiceAddresses(deps);
    this.portRecord = new RangeRecord(deps.kv, "ranges/servicenodeports", deps.ports.text);
    this.hooks = {
      ref: services,
      beforeCreate: (service, dryRun, signal) => this.acquire(service, undefined, dryRun, signal),
      beforeUpdate: (next, previous, dryRun, signal) => this.acquire(next, previous, dryRun, signal),
      afterUpdate: (next, previous, signal) => this.release(previous, next, signal),
      afterDelete: (service, signal) => this.release(service, undefined, signal),
    };
  }

  // Fills the address fields and takes addresses, then ports. Returns how to undo that when the write fails.
  private async acquire(
    service: Service,
    previous: Readonly<Service> | undefined,
    dryRun: boolean,
    signal: AbortSignal,
  ): Promise<Undo | undefined> {
    fillIpFamilies(service, previous, this.ranges.families);
    const claims = await this.acquireAddresses(service, previous, dryRun, signal);
    try {
      const offsets = await this.acquirePorts(service, previous, dryRun, signal);
      if (dryRun || (claims.length === 0 && offsets.length === 0)) return undefined;
      return async () => {
        await this.giveBack(claims, signal);
        await forget(this.portRecord, offsets);
      };
    } catch (error) {
      // All or nothing: a Service that got no port must not keep its addresses.
      await this.giveBack(claims, signal);
      throw error;
    }
  }

  // One claim after the other, in the order of `clusterIPs`, the first of which is also `clusterIP`.
  private async acquireAddresses(
    service: Service,
    previous: Readonly<Service> | undefined,
    dryRun: boolean,
    signal: AbortSignal,
  ): Promise<readonly Claim[]> {
    const missing = missingAddresses(service, previous);
    if (missing.length === 0) return [];
    // Before the former record is taken over, an address that looks free may be somebody's.
    await this.keeper.ready();
    const { spec } = service;
    const claims: Claim[] = [];
    const addresses = [...(spec.clusterIPs ?? [])];
    try {
      for (const { at, family, wanted } of missing) {
        const claim = wanted
          ? await this.addresses.takeThis(service, wanted, dryRun, signal)
          : await this.addresses.takeAny(service, family, dryRun, signal);
        claims.push(claim);
        addresses[at] = claim.address;
      }
    } catch (error) {
      await this.giveBack(claims, signal);
      throw error;
    }
    spec.clusterIPs = addresses;
    spec.clusterIP = addresses[0];
    return claims;
  }

  // The ports that the Service asks for or lacks, as offsets into the range. What it held before the update stays its
  // own.
  private async acquirePorts(
    service: Service,
    previous: Readonly<Service> | undefined,
    dryRun: boolean,
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    const held = new Set(previous ? heldNodePorts(previous) : []);
    const take = (used: Set<number>) => takeNodePorts(used, this.ports, service, held);
    // A Service that lacks nothing is settled without a look at the record.
    const probe = takeNodePorts(new Set(), this.ports, service, held);
    if (probe.offsets.length === 0) {
      probe.apply(service);
      return [];
    }
    const plan = await decide(this.portRecord, take, dryRun, signal);
    plan.apply(service);
    return plan.offsets;
  }

  /** Gives back what `previous` held and `next` does not hold any more. */
  private async release(
    previous: Readonly<Service>,
    next: Readonly<Service> | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const keptAddresses = next ? heldClusterIps(next) : [];
    for (const address of heldClusterIps(previous)) {
      // A Service that becomes an ExternalName, or single-stack, gives up only what it does not hold any more.
      if (keptAddresses.includes(address)) continue;
      const claim = await this.addresses.claimOf(previous, address, signal);
      if (claim) await this.giveBack([claim], signal);
    }
    const keptPorts = new Set(next ? heldNodePorts(next) : []);
    const ports = heldNodePorts(previous)
      .filter((port) => !keptPorts.has(port))
      .map((port) => this.ports.offsetOf(String(port)));
    await forget(
      this.portRecord,
      ports.filter((offset) => offset !== undefined),
    );
  }

  /** What cannot be given back now is found by the repair. */
  private async giveBack(claims: readonly Claim[], signal: AbortSignal): Promise<void> {
    for (const claim of claims) {
      await this.addresses.giveBack(claim, signal).catch((error: unknown) => {
        this.log.warn({ err: error, address: claim.address }, "could not give the address of a Service back");
      });
    }
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (!isDone) work();
    isDone = true;
  };
}

/** A dry run decides on a copy of the record and changes nothing. */
async function decide<T>(
  record: RangeRecord,
  take: (used: Set<number>) => T,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<T> {
  return dryRun ? take(new Set(await record.read(signal))) : record.change(take);
}

async function forget(record: RangeRecord, offsets: readonly number[]): Promise<void> {
  if (offsets.length === 0) return;
  await record.change((used) => {
    for (const offset of offsets) used.delete(offset);
  });
}

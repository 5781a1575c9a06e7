// Addresses and node ports of Services: taken before a Service is written, given back after it is gone.

import { services } from "@skiff/api/resource-ref.ts";
import type { Service } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Kv } from "../../storage/kv.ts";
import type { ObjectReader, Undo, WriteHooks } from "../object-access.ts";
import { heldClusterIp, needsClusterIp, takeClusterIp } from "./cluster-ips.ts";
import { fillIpFamilies } from "./ip-families.ts";
import type { IpRange } from "./ip-range.ts";
import { ipRange } from "./ip-range.ts";
import { heldNodePorts, takeNodePorts } from "./node-ports.ts";
import type { PortRange } from "./port-range.ts";
import { portRange } from "./port-range.ts";
import { RangeRecord } from "./range-record.ts";
import { runServiceRepair } from "./repair.ts";

export interface ServiceHooks {
  readonly hooks: readonly WriteHooks<Service>[];
  /** Brings the records and the Services together again, now and every few minutes, until the signal aborts. */
  repairLoop(signal: AbortSignal): Promise<void>;
  /** The address of the Service `kubernetes`. */
  readonly firstAddress: string;
}

/** Ranges are text: `10.96.0.0/12`, `30000-32767`. Throws when one cannot be read. */
export function createServiceHooks(deps: {
  readonly kv: Kv;
  readonly reader: ObjectReader;
  readonly clusterIpRange: string;
  readonly nodePortRange: string;
  readonly clock: Clock;
  readonly log: Logger;
}): ServiceHooks {
  const addresses = ipRange(deps.clusterIpRange);
  const ports = portRange(deps.nodePortRange);
  const allocator = new ServiceAllocator(deps.kv, addresses, ports);
  return {
    hooks: [allocator.hooks],
    firstAddress: addresses.valueAt(0),
    repairLoop: (signal) =>
      runServiceRepair(
        [
          { name: "ClusterIP", range: addresses, record: allocator.addressRecord, held: heldAddresses },
          { name: "NodePort", range: ports, record: allocator.portRecord, held: (s) => heldNodePorts(s).map(String) },
        ],
        deps,
        signal,
      ),
  };
}

function heldAddresses(service: Readonly<Service>): string[] {
  return [heldClusterIp(service)].filter((ip) => ip !== undefined);
}

class ServiceAllocator {
  readonly addressRecord: RangeRecord;
  readonly portRecord: RangeRecord;
  readonly hooks: WriteHooks<Service>;
  private readonly addresses: IpRange;
  private readonly ports: PortRange;

  constructor(kv: Kv, addresses: IpRange, ports: PortRange) {
    this.addresses = addresses;
    this.ports = ports;
    this.addressRecord = new RangeRecord(kv, "ranges/serviceips", addresses.text);
    this.portRecord = new RangeRecord(kv, "ranges/servicenodeports", ports.text);
    this.hooks = {
      ref: services,
      beforeCreate: (service, dryRun, signal) => this.acquire(service, undefined, dryRun, signal),
      beforeUpdate: (next, previous, dryRun, signal) => this.acquire(next, previous, dryRun, signal),
      afterUpdate: (next, previous) => this.release(previous, next),
      afterDelete: (service) => this.release(service, undefined),
    };
  }

  private async acquire(
    service: Service,
    previous: Readonly<Service> | undefined,
    dryRun: boolean,
    signal: AbortSignal,
  ): Promise<Undo | undefined> {
    fillIpFamilies(service, this.addresses.family);
    const address = await this.acquireAddress(service, previous, dryRun, signal);
    try {
      const offsets = await this.acquirePorts(service, previous, dryRun, signal);
      if (dryRun || (address === undefined && offsets.length === 0)) return undefined;
      return async () => {
        await forget(this.addressRecord, address === undefined ? [] : [address]);
        await forget(this.portRecord, offsets);
      };
    } catch (error) {
      if (!dryRun && address !== undefined) await forget(this.addressRecord, [address]);
      throw error;
    }
  }

  /** The offset that was newly taken. */
  private async acquireAddress(
    service: Service,
    previous: Readonly<Service> | undefined,
    dryRun: boolean,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    if (!needsClusterIp(service)) return undefined;
    if (service.spec.clusterIP && service.spec.clusterIP === (previous && heldClusterIp(previous))) return undefined;
    const take = (used: Set<number>) => takeClusterIp(used, this.addresses, service);
    const offset = await decide(this.addressRecord, take, dryRun, signal);
    service.spec.clusterIP = this.addresses.valueAt(offset);
    service.spec.clusterIPs = [service.spec.clusterIP];
    return offset;
  }

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
  private async release(previous: Readonly<Service>, next: Readonly<Service> | undefined): Promise<void> {
    const [before, after] = [heldClusterIp(previous), next && heldClusterIp(next)];
    const address = before && before !== after ? this.addresses.offsetOf(before) : undefined;
    const kept = new Set(next ? heldNodePorts(next) : []);
    const ports = heldNodePorts(previous)
      .filter((port) => !kept.has(port))
      .map((port) => this.ports.offsetOf(String(port)));
    await forget(this.addressRecord, address === undefined ? [] : [address]);
    await forget(
      this.portRecord,
      ports.filter((offset) => offset !== undefined),
    );
  }
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

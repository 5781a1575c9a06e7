// Keeps the IPAddress objects and the Services together: takes over what an older apiserver recorded, then repairs.
import { isAlreadyExists, isConflict } from "@skiff/api/errors.ts";
import { objectKey, type Unsaved } from "@skiff/api/object.ts";
import { events, ipAddresses, services } from "@skiff/api/resource-ref.ts";
import type { CoreV1Event } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Kv } from "../../storage/kv.ts";
import type { ObjectReader, ObjectWriter } from "../object-access.ts";
import { leakedAddressEvent, serviceAddressEvent } from "./address-events.ts";
import { heldClusterIps } from "./cluster-ips.ts";
import { familyOf } from "./ip-range.ts";
import { planAddressRepair } from "./repair-addresses.ts";
import { addressObject } from "./service-addresses.ts";
import type { ServiceRanges } from "./service-ranges.ts";

/** Where apiservers kept the addresses of Services before there were IPAddress objects. */
export const FORMER_RECORD = "ranges/serviceips";

/** Upstream's interval between two repairs. */
const INTERVAL_MS = 180_000;
/** Somebody who deletes many objects wakes the repair once a second, not once each. */
const PAUSE_MS = 1_000;

/** `kv` is for the former record only. */
interface Deps {
  readonly kv: Kv;
  readonly reader: ObjectReader;
  readonly writer: ObjectWriter;
  readonly ranges: ServiceRanges;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Services are the truth and IPAddress objects follow them; nothing here changes a Service. */
export class AddressKeeper {
  private readonly deps: Deps;
  private taken: Promise<void> | undefined;
  private wake = () => {};

  constructor(deps: Deps) {
    this.deps = deps;
  }

  /** Resolves once every address that a Service holds is claimed by an object; nobody may be given one before. */
  ready(): Promise<void> {
    this.taken ??= this.takeOver().catch((error: unknown) => {
      this.taken = undefined;
      throw error;
    });
    return this.taken;
  }

  /** Repairs now, every few minutes, and soon after an object vanished whose Service is still there. */
  async run(signal: AbortSignal, onRepaired: () => void): Promise<void> {
    const { reader, clock, log } = this.deps;
    using _watch = reader.observe(ipAddresses, (change) => {
      // Somebody may delete the object of an address in use; until it is made again another Service could get it.
      if (change.type !== "deleted") return;
      const { parentRef } = change.object.spec;
      const parent = reader.get(services, parentRef?.namespace ?? "", parentRef?.name ?? "");
      if (parent && heldClusterIps(parent).includes(change.object.metadata.name)) this.wake();
    });
    while (!signal.aborted) {
      const woken = new AbortController();
      this.wake = () => woken.abort();
      await this.repair(signal).then(onRepaired, (error: unknown) => {
        if (!signal.aborted) log.warn({ err: error }, "could not repair the addresses of Services, retrying");
      });
      await clock.sleep(PAUSE_MS, signal).catch(() => {});
      await clock.sleep(INTERVAL_MS, AbortSignal.any([signal, woken.signal])).catch(() => {});
    }
  }

  /** Once in the life of a cluster: makes the objects for Services that were written before there were any. */
  private async takeOver(): Promise<void> {
    const { kv, reader, log } = this.deps;
    const signal = AbortSignal.timeout(TAKE_OVER_MS);
    const record = await kv.get(FORMER_RECORD, signal);
    if (!record) return;
    let count = 0;
    for (const service of reader.list(services)) {
      for (const address of heldClusterIps(service)) {
        if (reader.get(ipAddresses, "", address)) continue;
        if (await this.make(service, address, signal)) count += 1;
      }
    }
    // Only now: an apiserver that dies on the way leaves the record to the next one.
    await kv.remove(FORMER_RECORD, record.revision, signal);
    log.info({ count }, "took the addresses of Services over from the former record");
  }

  private async repair(signal: AbortSignal): Promise<void> {
    await this.ready();
    const { reader, writer, ranges, clock, log } = this.deps;
    const isInRange = (address: string) => ranges.contains(address, familyOf(address));
    const plan = planAddressRepair(reader.list(services), reader.list(ipAddresses), isInRange, clock.now());
    for (const { service, address, trouble } of plan.problems) {
      log.error({ service: objectKey(service), address, trouble }, "the address of a Service is not its own");
      await this.tell(serviceAddressEvent(service, address, trouble, clock.now()), signal);
    }
    for (const object of plan.remove) {
      const { name, uid } = object.metadata;
      // With its UID, since another apiserver's repair may have put a right one there.
      await writer.delete(ipAddresses, "", name, signal, uid).catch(unlessConflict);
      log.warn({ address: name }, "removed an IPAddress that no Service holds");
      await this.tell(leakedAddressEvent(object, clock.now()), signal);
    }
    for (const { service, address } of plan.create) {
      if (!(await this.make(service, address, signal))) continue;
      log.warn({ address }, "made an IPAddress that was missing");
      await this.tell(serviceAddressEvent(service, address, "missing", clock.now()), signal);
    }
  }

  /** The repair goes on whether or not anybody can be told. */
  private async tell(event: Unsaved<CoreV1Event>, signal: AbortSignal): Promise<void> {
    await this.deps.writer.create(events, event, signal).catch((error: unknown) => {
      this.deps.log.debug({ err: error, reason: event.reason }, "could not write an event");
    });
  }

  /** False when another apiserver was quicker. */
  private async make(
    service: Parameters<typeof addressObject>[0],
    address: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    try {
      await this.deps.writer.create(ipAddresses, addressObject(service, address), signal);
      return true;
    } catch (error) {
      if (isAlreadyExists(error)) return false;
      throw error;
    }
  }
}

const TAKE_OVER_MS = 60_000;

function unlessConflict(error: unknown): void {
  if (!isConflict(error)) throw error;
}

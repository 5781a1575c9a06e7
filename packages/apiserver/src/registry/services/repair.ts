// The repair of allocation records: takes in what Services hold, and frees what nobody has held for several rounds.
import { objectKey, type Unsaved } from "@skiff/api/object.ts";
import { events, services } from "@skiff/api/resource-ref.ts";
import type { CoreV1Event, Service } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { ObjectReader, ObjectWriter } from "../object-access.ts";
import type { NumberRange } from "./number-range.ts";
import type { PortTrouble } from "./port-events.ts";
import type { RangeRecord } from "./range-record.ts";

/** One record and what of it a Service holds, as text. */
export interface RepairTarget {
  readonly name: string;
  readonly range: NumberRange;
  readonly record: RangeRecord;
  held(service: Readonly<Service>): readonly string[];
  /** The Event that says so to whoever owns the Service. */
  event(service: Readonly<Service>, value: string, trouble: PortTrouble, nowMs: number): Unsaved<CoreV1Event>;
}

interface Deps {
  readonly reader: ObjectReader;
  /** Writes the Events. */
  readonly writer: ObjectWriter;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Upstream's three minutes between two rounds. */
const INTERVAL_MS = 180_000;
// A Service that is being written holds its address before anyone can see it, hence the patience.
const ROUNDS_BEFORE_RELEASE = 3;

/**
 * One round at once and then every three minutes until the signal aborts. A target that fails is tried again in the
 * next round.
 */
export async function runServiceRepair(
  targets: readonly RepairTarget[],
  deps: Deps,
  signal: AbortSignal,
  onRepaired: () => void,
): Promise<void> {
  const unheldRounds = new Map<RepairTarget, ReadonlyMap<number, number>>();
  while (!signal.aborted) {
    for (const target of targets) {
      try {
        const { unheld, troubles } = await repairOnce(target, unheldRounds.get(target) ?? new Map(), deps);
        unheldRounds.set(target, unheld);
        onRepaired();
        await tell(target, troubles, deps, signal);
      } catch (error) {
        deps.log.warn({ err: error, record: target.name }, "could not repair an allocation record, retrying");
      }
    }
    await deps.clock.sleep(INTERVAL_MS, signal).catch(() => {});
  }
}

interface Trouble {
  readonly service: Readonly<Service>;
  readonly value: string;
  readonly trouble: PortTrouble;
}

/** One round: what came apart is put together again where that can be, and told. */
async function repairOnce(
  { name, range, record, held }: RepairTarget,
  unheldRounds: ReadonlyMap<number, number>,
  { reader, log }: Deps,
): Promise<{ readonly unheld: ReadonlyMap<number, number>; readonly troubles: readonly Trouble[] }> {
  const owners = new Map<number, Trouble>();
  const troubles: Trouble[] = [];
  for (const service of reader.list(services)) {
    for (const value of held(service)) {
      const offset = range.offsetOf(value);
      if (offset === undefined) troubles.push({ service, value, trouble: "out-of-range" });
      else if (owners.has(offset)) troubles.push({ service, value, trouble: "shared" });
      else owners.set(offset, { service, value, trouble: "missing" });
    }
  }
  for (const { service, value, trouble } of troubles) {
    log.error({ service: objectKey(service), value, trouble }, `the ${name} of a Service is not its own`);
  }
  const plan = await record.change((used) => {
    const wanted = planRepair(used, new Set(owners.keys()), unheldRounds);
    for (const offset of wanted.add) used.add(offset);
    for (const offset of wanted.release) used.delete(offset);
    return wanted;
  });
  if (plan.add.length > 0) log.warn({ count: plan.add.length }, `${name}s of Services were missing from the record`);
  if (plan.release.length > 0) log.warn({ count: plan.release.length }, `released ${name}s that nobody holds`);
  const missing = plan.add.flatMap((offset) => owners.get(offset) ?? []);
  return { unheld: plan.unheldRounds, troubles: [...troubles, ...missing] };
}

/** The repair goes on whether or not anybody can be told. */
async function tell(
  target: RepairTarget,
  troubles: readonly Trouble[],
  deps: Deps,
  signal: AbortSignal,
): Promise<void> {
  for (const { service, value, trouble } of troubles) {
    const event = target.event(service, value, trouble, deps.clock.now());
    await deps.writer.create(events, event, signal).catch((error: unknown) => {
      deps.log.debug({ err: error, reason: event.reason }, "could not write an event");
    });
  }
}

/** Offsets to mark as used, offsets to free, and what to remember. */
export interface RepairPlan {
  readonly add: readonly number[];
  readonly release: readonly number[];
  /** For the next round. The one given stays as it is, because a lost compare-and-swap plans this round again. */
  readonly unheldRounds: ReadonlyMap<number, number>;
}

/** `unheldRounds` counts the rounds in which an offset was used by the record and held by nobody. */
export function planRepair(
  used: ReadonlySet<number>,
  held: ReadonlySet<number>,
  unheldRounds: ReadonlyMap<number, number>,
): RepairPlan {
  const counted = [...used]
    .filter((offset) => !held.has(offset))
    .map((offset) => [offset, (unheldRounds.get(offset) ?? 0) + 1] as const);
  return {
    add: [...held].filter((offset) => !used.has(offset)),
    release: counted.filter(([, rounds]) => rounds > ROUNDS_BEFORE_RELEASE).map(([offset]) => offset),
    unheldRounds: new Map(counted.filter(([, rounds]) => rounds <= ROUNDS_BEFORE_RELEASE)),
  };
}

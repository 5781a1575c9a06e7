// The repair of allocation records: takes in what Services hold, and frees what nobody has held for several rounds.
import { objectKey } from "@skiff/api/object.ts";
import { services } from "@skiff/api/resource-ref.ts";
import type { Service } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { ObjectReader } from "../object-access.ts";
import type { NumberRange } from "./number-range.ts";
import type { RangeRecord } from "./range-record.ts";

/** One record and what of it a Service holds, as text. */
export interface RepairTarget {
  readonly name: string;
  readonly range: NumberRange;
  readonly record: RangeRecord;
  held(service: Readonly<Service>): readonly string[];
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
  deps: { readonly reader: ObjectReader; readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const unheldRounds = new Map<RepairTarget, ReadonlyMap<number, number>>();
  while (!signal.aborted) {
    for (const target of targets) {
      try {
        unheldRounds.set(target, await repairOnce(target, unheldRounds.get(target) ?? new Map(), deps));
      } catch (error) {
        deps.log.warn({ err: error, record: target.name }, "could not repair an allocation record, retrying");
      }
    }
    await deps.clock.sleep(INTERVAL_MS, signal).catch(() => {});
  }
}

async function repairOnce(
  { name, range, record, held }: RepairTarget,
  unheldRounds: ReadonlyMap<number, number>,
  { reader, log }: { readonly reader: ObjectReader; readonly log: Logger },
): Promise<ReadonlyMap<number, number>> {
  const owners = new Map<number, string>();
  for (const service of reader.list(services)) {
    for (const value of held(service)) {
      const offset = range.offsetOf(value);
      const owner = offset === undefined ? undefined : owners.get(offset);
      if (offset === undefined) log.error({ service: objectKey(service), value }, `${name} lies outside the range`);
      else if (owner) log.error({ service: objectKey(service), owner, value }, `${name} is held by two Services`);
      else owners.set(offset, objectKey(service));
    }
  }
  const plan = await record.change((used) => {
    const wanted = planRepair(used, new Set(owners.keys()), unheldRounds);
    for (const offset of wanted.add) used.add(offset);
    for (const offset of wanted.release) used.delete(offset);
    return wanted;
  });
  if (plan.add.length > 0) log.warn({ count: plan.add.length }, `${name}s of Services were missing from the record`);
  if (plan.release.length > 0) log.warn({ count: plan.release.length }, `released ${name}s that nobody holds`);
  return plan.unheldRounds;
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

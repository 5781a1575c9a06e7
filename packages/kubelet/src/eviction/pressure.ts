// From readings and thresholds to what the node is short of, over time. Pure.
import type { Observations } from "./signals.ts";
import type { Signal, Threshold } from "./thresholds.ts";
import { amountOf } from "./thresholds.ts";

/** The node's conditions. Each becomes a taint, which keeps the scheduler from sending more pods. */
export type PressureType = "MemoryPressure" | "DiskPressure" | "PIDPressure";

/** The resource that a signal speaks of, by the name that users know it. */
export const RESOURCE_OF: Readonly<Record<Signal, "memory" | "ephemeral-storage" | "inodes" | "pids">> = {
  "memory.available": "memory",
  "allocatableMemory.available": "memory",
  "nodefs.available": "ephemeral-storage",
  "imagefs.available": "ephemeral-storage",
  "containerfs.available": "ephemeral-storage",
  "nodefs.inodesFree": "inodes",
  "imagefs.inodesFree": "inodes",
  "containerfs.inodesFree": "inodes",
  "pid.available": "pids",
};

function pressureOf(signal: Signal): PressureType {
  const resource = RESOURCE_OF[signal];
  if (resource === "memory") return "MemoryPressure";
  return resource === "pids" ? "PIDPressure" : "DiskPressure";
}

/** The thresholds that the readings are below; with `withReclaim` they must exceed them by the minimum reclaim. */
export function thresholdsMet(
  thresholds: readonly Threshold[],
  observations: Observations,
  withReclaim: boolean,
): Threshold[] {
  return thresholds.filter((threshold) => {
    const observed = observations.get(threshold.signal);
    if (!observed) return false;
    const extra = withReclaim && threshold.minReclaim ? amountOf(threshold.minReclaim, observed.capacity) : 0;
    return observed.available < amountOf(threshold.value, observed.capacity) + extra;
  });
}

/** What is remembered from one look to the next. Times are monotonic milliseconds. */
export interface PressureMemory {
  readonly met: readonly Threshold[];
  readonly firstSeen: ReadonlyMap<Threshold, number>;
  readonly lastSeen: ReadonlyMap<PressureType, number>;
}

/** What a kubelet starts with: a restart forgets how long a soft threshold has been met. */
export const NO_PRESSURE: PressureMemory = { met: [], firstSeen: new Map(), lastSeen: new Map() };

/** `memory` is for the next look; `conditions` are those that the node shows now. */
export interface PressureVerdict {
  readonly memory: PressureMemory;
  /** Those whose grace is over, the most urgent first. */
  readonly due: readonly Threshold[];
  readonly conditions: readonly PressureType[];
}

/** `transitionMs` is how long a pressure stays on record after it was last seen. */
export function judgePressure(
  thresholds: readonly Threshold[],
  observations: Observations,
  before: PressureMemory,
  now: number,
  transitionMs: number,
): PressureVerdict {
  // What was met stays so until the minimum is reclaimed too: the node would swing at the threshold otherwise.
  const unresolved = thresholdsMet(before.met, observations, true);
  const met = [...new Set([...thresholdsMet(thresholds, observations, false), ...unresolved])];
  const firstSeen = new Map(met.map((threshold) => [threshold, before.firstSeen.get(threshold) ?? now]));
  const present = new Set(met.map(({ signal }) => pressureOf(signal)));
  const lastSeen = new Map([...before.lastSeen, ...[...present].map((type) => [type, now] as const)]);
  // A pressure that comes and goes would make the scheduler send pods only for them to be evicted again.
  const conditions = [...lastSeen]
    .filter(([type, at]) => present.has(type) || now - at < transitionMs)
    .map(([type]) => type);
  const due = met.filter((threshold) => now - (firstSeen.get(threshold) ?? now) >= threshold.graceMs);
  return { memory: { met, firstSeen, lastSeen }, due: due.sort(byUrgency), conditions };
}

/** Memory before everything else, as upstream: without it nothing can be reclaimed in order. */
function byUrgency(a: Threshold, b: Threshold): number {
  const isMemory = ({ signal }: Threshold) => Number(RESOURCE_OF[signal] === "memory");
  return isMemory(b) - isMemory(a);
}

// Gives memory back once a burst of work is over: V8 collects when a program allocates, and one that has nothing to do does not.
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "./clock.ts";

/** The heap and the processor at one moment. */
export interface Sample {
  /** Bytes that V8 has taken for its heap. */
  readonly heap: number;
  /** Processor time of the process so far, ms. */
  readonly cpuMs: number;
}

/** What is looked at, and what is done about it. */
export interface Heap {
  sample(): Sample;
  collect(): void;
}

/**
 * Looks twice a second until the signal aborts. A heap that has grown is collected once the program has hardly worked for three
 * seconds: that takes about 100 ms, which hardly anybody waits for then, and brings 40 to 60 MB.
 */
export async function collectAfterBursts(clock: Clock, signal: AbortSignal, heap = v8Heap()): Promise<void> {
  let collected = heap.sample();
  let last = collected;
  let restingLooks = 0;
  while (!signal.aborted) {
    await clock.sleep(INTERVAL_MS, signal).catch(() => {
      // The program ends.
    });
    const now = heap.sample();
    restingLooks = isResting(last, now) ? restingLooks + 1 : 0;
    last = now;
    if (signal.aborted || restingLooks < RESTING_LOOKS || !isWorthwhile(collected, now)) continue;
    heap.collect();
    collected = heap.sample();
    last = collected;
  }
}

const INTERVAL_MS = 500;
/** Sooner it would also come between two parts of one burst: it drops compiled code too, which the next part would miss. */
const RESTING_LOOKS = 6;

function isResting(last: Sample, now: Sample): boolean {
  return now.cpuMs - last.cpuMs < INTERVAL_MS * RESTING_SHARE;
}

const RESTING_SHARE = 0.1;

function isWorthwhile(collected: Sample, now: Sample): boolean {
  return now.heap - collected.heap >= WORTHWHILE_BYTES && now.heap <= MAX_HEAP_BYTES;
}

const WORTHWHILE_BYTES = 16e6;
/** A collection stops the program for one or two milliseconds per megabyte of live objects; larger heaps are V8's to judge. */
const MAX_HEAP_BYTES = 256e6;

/** This process. */
export function v8Heap(): Heap {
  // What `--expose-gc` gives to scripts, without a flag that everybody who starts the program would have to know.
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as (options: object) => void;
  // Any other sort keeps the pages that it frees, in case they are wanted again soon.
  return { sample, collect: () => gc({ type: "major", flavor: "last-resort" }) };
}

function sample(): Sample {
  const { user, system } = process.cpuUsage();
  return { heap: getHeapStatistics().total_heap_size, cpuMs: (user + system) / 1000 };
}

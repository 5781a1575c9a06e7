// Lets few pods start or go at once, in the order they came: finished pods before many half-made ones.
import type { Clock } from "@skiff/component-base/clock.ts";

/** Starts go first; removals have time. */
export type GateLane = "start" | "removal";

/** How many at once, and how long a place may be held; times in milliseconds. */
export interface StartGateOptions {
  readonly starts: number;
  /** While nothing starts. */
  readonly removals: number;
  /** So long a removal lets starts go first; then one at a time goes on beside them. */
  readonly yieldMs: number;
  /** A place is free again after so long without work of the runtime: what holds it waits for an image, a volume, a hook. */
  readonly patienceMs: number;
  /** So long the runtime may work on one call; then it hangs, and must not hold up the others. */
  readonly workMs: number;
}

/** A turn at the gate. */
export interface Place {
  /** Has the runtime do something that takes processor time: on a busy node it may take long, and the place is kept. */
  work<T>(call: () => Promise<T>): Promise<T>;
}

interface Lane {
  /** Who waits, oldest first, and since when. */
  readonly waiting: Map<() => void, number>;
  running: number;
}

/**
 * A hundred pods that start at once all become slow together; a few at a time are ready one after the other, and the
 * last is no later.
 */
export class StartGate {
  private readonly options: StartGateOptions;
  private readonly clock: Pick<Clock, "after" | "monotonic">;
  private readonly lanes: Record<GateLane, Lane> = {
    start: { waiting: new Map(), running: 0 },
    removal: { waiting: new Map(), running: 0 },
  };

  constructor(options: StartGateOptions, deps: { clock: Pick<Clock, "after" | "monotonic"> }) {
    this.options = options;
    this.clock = deps.clock;
  }

  /** Whether anything starts, or waits for its turn to. */
  get hasStarts(): boolean {
    const { start } = this.lanes;
    return start.running + start.waiting.size > 0;
  }

  /** Runs `work` once its turn has come; throws the signal's reason when that aborts before. */
  async run<T>(name: GateLane, work: (place: Place) => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const lane = this.lanes[name];
    if (lane.waiting.size > 0 || lane.running >= this.placesOf(name)) {
      using _overdue = this.clock.after(this.options.yieldMs, () => this.admitWaiting());
      await this.turn(lane, signal);
    } else lane.running++;
    using place = new HeldPlace(this.leaveOnce(lane), this.options, this.clock);
    return await work(place);
  }

  private turn(lane: Lane, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const admit = () => {
        signal?.removeEventListener("abort", giveUp);
        resolve();
      };
      const giveUp = () => {
        lane.waiting.delete(admit);
        // The last start that waited may have been what held removals back.
        this.admitWaiting();
        reject(signal?.reason);
      };
      signal?.addEventListener("abort", giveUp, { once: true });
      lane.waiting.set(admit, this.clock.monotonic());
    });
  }

  private leaveOnce(lane: Lane): () => void {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      lane.running--;
      this.admitWaiting();
    };
  }

  private admitWaiting(): void {
    for (const name of ["start", "removal"] as const) {
      const lane = this.lanes[name];
      for (const admit of lane.waiting.keys()) {
        if (lane.running >= this.placesOf(name)) break;
        lane.waiting.delete(admit);
        lane.running++;
        admit();
      }
    }
  }

  private placesOf(name: GateLane): number {
    const { starts, removals, yieldMs } = this.options;
    if (name === "start") return starts;
    if (!this.hasStarts) return removals;
    const [oldest] = this.lanes.removal.waiting.values();
    return oldest !== undefined && this.clock.monotonic() - oldest >= yieldMs ? 1 : 0;
  }
}

class HeldPlace implements Place, Disposable {
  private readonly leave: () => void;
  private readonly limits: Pick<StartGateOptions, "patienceMs" | "workMs">;
  private readonly clock: Pick<Clock, "after">;
  private timer: Disposable;

  constructor(leave: () => void, limits: Pick<StartGateOptions, "patienceMs" | "workMs">, clock: Pick<Clock, "after">) {
    this.leave = leave;
    this.limits = limits;
    this.clock = clock;
    this.timer = clock.after(limits.patienceMs, leave);
  }

  async work<T>(call: () => Promise<T>): Promise<T> {
    this.leaveAfter(this.limits.workMs);
    try {
      return await call();
    } finally {
      this.leaveAfter(this.limits.patienceMs);
    }
  }

  [Symbol.dispose](): void {
    this.timer[Symbol.dispose]();
    this.leave();
  }

  private leaveAfter(ms: number): void {
    this.timer[Symbol.dispose]();
    this.timer = this.clock.after(ms, this.leave);
  }
}

/** Starting and removing pods is processor time, so more at once than processors would only delay each other. */
const MIN_AT_ONCE = 2;
/** See StartGateOptions for what each of these bounds. */
const PATIENCE_MS = 2000;
const WORK_MS = 15_000;
const REMOVAL_YIELD_MS = 1000;

/** `cpus` are the machine's processors. */
export function gateOptions(cpus: number): StartGateOptions {
  const atOnce = Math.max(MIN_AT_ONCE, cpus);
  return { starts: atOnce, removals: atOnce, patienceMs: PATIENCE_MS, workMs: WORK_MS, yieldMs: REMOVAL_YIELD_MS };
}

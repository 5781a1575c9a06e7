// Lets few pods start or go at once, in the order they came: finished pods before many half-made ones.
import type { Clock } from "@skiff/component-base/clock.ts";

export type GateLane = "start" | "removal";

export interface StartGateOptions {
  readonly starts: number;
  /** While nothing starts. */
  readonly removals: number;
  /** So long a removal lets starts go first; then one at a time goes on beside them. */
  readonly yieldMs: number;
  /** A place is free again after so long, for what then still runs waits for something: an image, a volume, a hook. */
  readonly patienceMs: number;
}

interface Lane {
  /** Who waits, oldest first, and since when. */
  readonly waiting: Map<() => void, number>;
  running: number;
}

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
  async run<T>(name: GateLane, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const lane = this.lanes[name];
    if (lane.waiting.size > 0 || lane.running >= this.placesOf(name)) {
      using _overdue = this.clock.after(this.options.yieldMs, () => this.admitWaiting());
      await this.turn(lane, signal);
    } else lane.running++;
    const leave = this.leaveOnce(lane);
    using _timer = this.clock.after(this.options.patienceMs, leave);
    try {
      return await work();
    } finally {
      leave();
    }
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

/** Starting and removing pods is processor time, so more at once than processors would only delay each other. */
const MIN_AT_ONCE = 2;
/** A start that takes longer waits for something: an image, a volume, a hook. Removals let starts go first for a second. */
const START_PATIENCE_MS = 2000;
const REMOVAL_YIELD_MS = 1000;

export function gateOptions(cpus: number): StartGateOptions {
  const atOnce = Math.max(MIN_AT_ONCE, cpus);
  return { starts: atOnce, removals: atOnce, patienceMs: START_PATIENCE_MS, yieldMs: REMOVAL_YIELD_MS };
}

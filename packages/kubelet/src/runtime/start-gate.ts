// Lets few pods start or go at once, in the order they came: finished pods before many half-made ones.
import type { Clock } from "@skiff/component-base/clock.ts";

export type GateLane = "start" | "removal";

export interface StartGateOptions {
  readonly starts: number;
  /** While nothing starts; beside starts one removal goes on. */
  readonly removals: number;
  /** A place is free again after so long, for what then still runs waits for something: an image, a volume, a hook. */
  readonly patienceMs: number;
}

interface Lane {
  readonly waiting: Set<() => void>;
  running: number;
}

export class StartGate {
  private readonly options: StartGateOptions;
  private readonly clock: Pick<Clock, "after">;
  private readonly lanes: Record<GateLane, Lane> = {
    start: { waiting: new Set(), running: 0 },
    removal: { waiting: new Set(), running: 0 },
  };

  constructor(options: StartGateOptions, deps: { clock: Pick<Clock, "after"> }) {
    this.options = options;
    this.clock = deps.clock;
  }

  /** Runs `work` once its turn has come; throws the signal's reason when that aborts before. */
  async run<T>(name: GateLane, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const lane = this.lanes[name];
    if (lane.waiting.size > 0 || lane.running >= this.placesOf(name)) await this.turn(lane, signal);
    else lane.running++;
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
      lane.waiting.add(admit);
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
      for (const admit of lane.waiting) {
        if (lane.running >= this.placesOf(name)) break;
        lane.waiting.delete(admit);
        lane.running++;
        admit();
      }
    }
  }

  private placesOf(name: GateLane): number {
    const { starts, removals } = this.options;
    if (name === "start") return starts;
    const { running, waiting } = this.lanes.start;
    return running + waiting.size > 0 ? 1 : removals;
  }
}

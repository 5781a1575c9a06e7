// Lets few starts run at once, and those that are nearly done go first: finished pods before many half-made ones.

export type StartStage = "container" | "sandbox";

export class StartGate {
  private free: number;
  private readonly waiting: Record<StartStage, (() => void)[]> = { container: [], sandbox: [] };

  /** `slots` is how many stages run at once. */
  constructor(slots: number) {
    this.free = slots;
  }

  /** Runs `work` once a place is free. */
  async run<T>(stage: StartStage, work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting[stage].push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.container.shift() ?? this.waiting.sandbox.shift();
      // A waiting stage takes over the place as it is.
      if (next) next();
      else this.free++;
    }
  }
}

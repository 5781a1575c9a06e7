// CPU use per second, from the growth of CPU time between two looks at the same thing.

/** CPU time used up to a moment. */
interface Sample {
  readonly timeMs: number;
  readonly cpuNanos: number;
}

/** Closer looks than this say more about the clock than about the CPU. */
const MIN_SPAN_MS = 1000;

/** The kernel counts CPU time and knows no rate, but `kubectl top` asks for one. */
export class CpuRates {
  /** Per key the sample that rates are taken from, and the newest one. */
  private readonly samples = new Map<string, { base: Sample; newest: Sample }>();

  /** Nanoseconds of CPU time per second since an earlier look; undefined at the first one. */
  rate(key: string, timeMs: number, cpuNanos: number): number | undefined {
    const newest = { timeMs, cpuNanos };
    const known = this.samples.get(key);
    // Less time than before: the container was restarted.
    if (!known || cpuNanos < known.newest.cpuNanos) {
      this.samples.set(key, { base: newest, newest });
      return undefined;
    }
    const base = timeMs - known.newest.timeMs >= MIN_SPAN_MS ? known.newest : known.base;
    this.samples.set(key, { base, newest: base === known.newest ? newest : known.newest });
    const spanMs = timeMs - base.timeMs;
    return spanMs >= MIN_SPAN_MS ? Math.round(((cpuNanos - base.cpuNanos) / spanMs) * 1000) : undefined;
  }

  /** Forgets all but these, so that pods that are gone take no memory. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of this.samples.keys()) if (!keys.has(key)) this.samples.delete(key);
  }
}

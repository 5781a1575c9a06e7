// How long to wait before the next try: doubling, jittered, with a ceiling.

export interface BackOffOptions {
  /** Before jitter, after the first failure. */
  readonly initialMs: number;
  readonly ceilingMs: number;
  /** In [0, 1). */
  readonly random?: () => number;
}

/** One series of failures; `reset` after a success. */
export class BackOff {
  private readonly options: BackOffOptions;
  private failures = 0;

  constructor(options: BackOffOptions) {
    this.options = options;
  }

  /** Between half and all of the doubled delay, so that many clients do not come back in step. */
  next(): number {
    const { initialMs, ceilingMs, random = Math.random } = this.options;
    // The exponent is bounded so that a long outage does not end in infinity.
    const fullMs = Math.min(initialMs * 2 ** Math.min(this.failures, 30), ceilingMs);
    this.failures++;
    return fullMs * (0.5 + random() / 2);
  }

  reset(): void {
    this.failures = 0;
  }
}

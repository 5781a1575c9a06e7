// A histogram of how long a value was what: every nanosecond counts as one observation of the value at that time.
import type { Labels } from "./metrics.ts";

/** One series. Cheap to set often: the time since the last change goes to the bucket of the value until then. */
export class TimedValue {
  readonly labels: Labels;
  readonly counts: number[];
  sum = 0;
  count = 0;
  private readonly buckets: readonly number[];
  private bucket: number;
  private value = 0;
  private sinceMs: number;

  constructor(labels: Labels, buckets: readonly number[], nowMs: number) {
    this.labels = labels;
    this.buckets = buckets;
    this.counts = new Array<number>(buckets.length).fill(0);
    this.sinceMs = nowMs;
    this.bucket = this.bucketOf(0);
  }

  /** `nowMs` is monotonic. */
  set(value: number, nowMs: number): void {
    this.account(nowMs);
    if (value === this.value) return;
    this.value = value;
    this.bucket = this.bucketOf(value);
  }

  /** Brings the figures up to now. */
  account(nowMs: number): void {
    const nanoseconds = Math.round((nowMs - this.sinceMs) * 1e6);
    if (nanoseconds <= 0) return;
    this.sinceMs = nowMs;
    this.sum += this.value * nanoseconds;
    this.count += nanoseconds;
    if (this.bucket >= 0) this.counts[this.bucket] = (this.counts[this.bucket] ?? 0) + nanoseconds;
  }

  private bucketOf(value: number): number {
    return this.buckets.findIndex((limit) => value <= limit);
  }
}

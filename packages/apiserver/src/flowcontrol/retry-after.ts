// When a refused client may come back: later while many are refused, sooner again once few are. Pure.

const MAX_SECONDS = 32;

/** Of one priority level. Counts refusals by the second, and looks at the past seconds when a new one begins. */
export class RetryAfter {
  /** What the header says. */
  seconds = 1;
  private current = { at: Number.NEGATIVE_INFINITY, count: 0 };
  private history: { readonly at: number; readonly count: number }[] = [];
  private raisedAt = Number.NEGATIVE_INFINITY;

  /** `at` is the time in whole seconds. */
  record(at: number): void {
    if (this.current.at === at) {
      this.current.count += 1;
      return;
    }
    const oldest = this.current.at - Math.min(2 * this.seconds, MAX_SECONDS);
    this.history = [...this.history, this.current].filter((entry) => entry.at >= oldest && entry.count > 0);
    this.current = { at, count: 1 };
    this.adjust(at);
  }

  /** As TCP: doubled when three a second were refused, lowered by one when fewer than one; each spike raises it once. */
  private adjust(now: number): void {
    const recent = this.history.filter(({ at }) => now - at <= this.seconds && at < now);
    const refused = recent.reduce((sum, { count }) => sum + count, 0);
    if (now - this.raisedAt >= this.seconds && refused >= 3 * this.seconds) {
      this.seconds = Math.min(2 * this.seconds, MAX_SECONDS);
      this.raisedAt = now;
    } else if (refused < this.seconds && this.seconds > 1) {
      this.seconds -= 1;
    }
  }
}

// The most of something at once in the second before, which is what dashboards of requests in flight show.
import type { Clock } from "@skiff/component-base/clock.ts";

export class HighWater {
  private readonly clock: Clock;
  private count = 0;
  private second = 0;
  private highest = 0;
  private before = 0;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Returns how many there are now. */
  add(by: 1 | -1): number {
    this.turn();
    this.count += by;
    if (this.count > this.highest) this.highest = this.count;
    return this.count;
  }

  /** Of the last whole second, or of the present one where it is more. */
  read(): number {
    this.turn();
    return Math.max(this.before, this.highest);
  }

  private turn(): void {
    const second = Math.floor(this.clock.monotonic() / 1000);
    if (second === this.second) return;
    // Nothing changed in the seconds between.
    this.before = second === this.second + 1 ? this.highest : this.count;
    this.second = second;
    this.highest = this.count;
  }
}

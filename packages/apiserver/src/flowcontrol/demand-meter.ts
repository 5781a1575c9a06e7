// Watches how many seats are wanted over time: the most, the average and the deviation of a period.
import type { SeatDemand } from "./concurrency.ts";

export class DemandMeter {
  private seats = 0;
  private since: number;
  private start: number;
  private sum = 0;
  private squares = 0;
  private highest = 0;

  constructor(nowMs: number) {
    this.since = nowMs;
    this.start = nowMs;
  }

  /** From now on so many are wanted. */
  set(seats: number, nowMs: number): void {
    this.account(nowMs);
    this.seats = seats;
    if (seats > this.highest) this.highest = seats;
  }

  /** What was wanted since the last time, and a new period. */
  reset(nowMs: number): SeatDemand {
    this.account(nowMs);
    const duration = nowMs - this.start;
    const average = duration > 0 ? this.sum / duration : this.seats;
    const variance = duration > 0 ? this.squares / duration - average * average : 0;
    const demand = { highWatermark: this.highest, average, deviation: Math.sqrt(Math.max(0, variance)) };
    [this.start, this.sum, this.squares, this.highest] = [nowMs, 0, 0, this.seats];
    return demand;
  }

  private account(nowMs: number): void {
    const elapsed = nowMs - this.since;
    this.since = nowMs;
    this.sum += this.seats * elapsed;
    this.squares += this.seats * this.seats * elapsed;
  }
}

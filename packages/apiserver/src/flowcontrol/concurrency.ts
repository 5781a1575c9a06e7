// How many seats each priority level has: its share of the server's, and what it lends and borrows. Pure.

export interface LevelShares {
  readonly shares: number;
  readonly lendablePercent: number;
  /** Undefined: without limit. */
  readonly borrowingLimitPercent: number | undefined;
}

export interface LevelLimits {
  readonly nominal: number;
  /** What it keeps whatever the others need. */
  readonly lower: number;
  readonly upper: number;
}

/** The limits of all levels, in their order. */
export function divideConcurrency(total: number, levels: readonly LevelShares[]): LevelLimits[] {
  const sum = levels.reduce((all, { shares }) => all + shares, 0);
  return levels.map(({ shares, lendablePercent, borrowingLimitPercent }) => {
    const nominal = sum > 0 ? Math.ceil((total * shares) / sum) : 0;
    const lower = nominal - Math.round((nominal * lendablePercent) / 100);
    const borrowed = borrowingLimitPercent === undefined ? total : Math.round((nominal * borrowingLimitPercent) / 100);
    return { nominal, lower, upper: nominal + borrowed };
  });
}

export interface SeatDemand {
  /** The most that was wanted at once. */
  readonly highWatermark: number;
  readonly average: number;
  readonly deviation: number;
}

// Upstream's: demand is believed to fall slowly, a few percent each time.
const SMOOTHING = 0.977;

export function smoothDemand(before: number, { average, deviation }: SeatDemand): number {
  const envelope = average + deviation;
  return Math.max(envelope, SMOOTHING * before + (1 - SMOOTHING) * envelope);
}

export interface LevelNeed extends LevelLimits {
  readonly highWatermark: number;
  readonly smoothed: number;
}

export interface Lending {
  readonly limits: number[];
  readonly targets: number[];
  readonly fairFraction: number;
}

/** The current limits: all seats, in proportion to what is needed, within what each level keeps and may borrow. */
export function lendSeats(needs: readonly LevelNeed[]): Lending {
  const items = needs.map((need) => {
    const lower = Math.max(need.lower, Math.min(need.nominal, need.highWatermark));
    return { lower, upper: Math.max(lower, need.upper), target: Math.max(lower, need.smoothed) };
  });
  const total = needs.reduce((sum, { nominal }) => sum + nominal, 0);
  const at = (fraction: number) =>
    items.map(({ lower, upper, target }) => Math.min(upper, Math.max(lower, fraction * target)));
  const sumAt = (fraction: number) => at(fraction).reduce((sum, seats) => sum + seats, 0);
  let [low, high] = [0, 1];
  while (sumAt(high) < total && high < MAX_FRACTION) high *= 2;
  for (let step = 0; step < BISECTIONS; step++) {
    const middle = (low + high) / 2;
    if (sumAt(middle) < total) low = middle;
    else high = middle;
  }
  return { limits: at(high).map(Math.round), targets: items.map(({ target }) => target), fairFraction: high };
}

const MAX_FRACTION = 2 ** 30;
const BISECTIONS = 60;

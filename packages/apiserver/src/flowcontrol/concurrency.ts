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
  readonly isExempt: boolean;
  readonly highWatermark: number;
  readonly smoothed: number;
}

export interface Lending {
  readonly limits: number[];
  readonly targets: number[];
  readonly fairFraction: number;
}

/**
 * The current limits: all seats, in proportion to what is needed, within what each level keeps and may borrow. What is
 * exempt takes what it takes; the others are held to what they must have where that leaves too little.
 */
export function lendSeats(needs: readonly LevelNeed[]): Lending {
  const items = needs.map((need) => {
    const least = need.isExempt ? need.highWatermark : Math.min(need.nominal, need.highWatermark);
    const lower = Math.max(need.lower, least);
    const upper = need.isExempt ? lower : Math.max(lower, need.upper);
    return { ...need, floor: need.lower, lower, upper, target: Math.max(lower, need.smoothed) };
  });
  const others = items.filter(({ isExempt }) => !isExempt);
  const total = sum(needs, ({ nominal }) => nominal);
  const left = total - sum(items, ({ isExempt, lower }) => (isExempt ? lower : 0));
  const [floors, lowers] = [sum(others, ({ floor }) => floor), sum(others, ({ lower }) => lower)];
  const targets = items.map(({ target }) => target);
  if (left <= lowers) {
    const share = left <= floors ? 0 : (left - floors) / (lowers - floors);
    const limits = items.map(({ isExempt, floor, lower }) => (isExempt ? lower : floor + (lower - floor) * share));
    return { limits: limits.map(Math.round), targets, fairFraction: 0 };
  }
  const fairFraction = divideFairly(total, others);
  return { limits: items.map((item) => Math.round(seatsAt(item, fairFraction))), targets, fairFraction };
}

interface Bounded {
  readonly lower: number;
  readonly upper: number;
  readonly target: number;
}

/** The fraction of their targets at which all together have `total` seats, their bounds respected. */
function divideFairly(total: number, items: readonly Bounded[]): number {
  const sumAt = (fraction: number) => sum(items, (item) => seatsAt(item, fraction));
  let [low, high] = [0, 1];
  while (sumAt(high) < total && high < MAX_FRACTION) high *= 2;
  for (let step = 0; step < BISECTIONS; step++) {
    const middle = (low + high) / 2;
    if (sumAt(middle) < total) low = middle;
    else high = middle;
  }
  return high;
}

function seatsAt({ lower, upper, target }: Bounded, fraction: number): number {
  return Math.min(upper, Math.max(lower, fraction * target));
}

function sum<T>(items: readonly T[], read: (item: T) => number): number {
  return items.reduce((all, item) => all + read(item), 0);
}

const MAX_FRACTION = 2 ** 30;
const BISECTIONS = 60;

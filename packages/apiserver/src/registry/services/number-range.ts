// Ranges of things to hand out (addresses, ports) as offsets from 0, and how a free one is found.

/** What can be handed out: `size` offsets, of which those below `dynamicFrom` are kept for explicit requests. */
export interface NumberRange {
  readonly size: number;
  readonly dynamicFrom: number;
  /** Offset of what a user asked for; undefined outside the range. */
  offsetOf(value: string): number | undefined;
  valueAt(offset: number): string;
}

/** A free offset at random, from the upper band while it has any; undefined when the range is full. */
export function pickFree(used: ReadonlySet<number>, range: NumberRange, random: () => number): number | undefined {
  return pickWithin(used, range.dynamicFrom, range.size, random) ?? pickWithin(used, 0, range.dynamicFrom, random);
}

function pickWithin(used: ReadonlySet<number>, from: number, to: number, random: () => number): number | undefined {
  const count = to - from;
  const start = Math.floor(random() * count);
  for (let step = 0; step < count; step++) {
    const offset = from + ((start + step) % count);
    if (!used.has(offset)) return offset;
  }
  return undefined;
}

/** Upstream's size of the lower band: a `step`-th of the range within bounds, none for tiny ranges. */
export function lowerBandSize(size: number, bounds: { min: number; max: number; step: number }): number {
  if (size <= bounds.min) return 0;
  return Math.max(bounds.min, Math.min(bounds.max, Math.floor(size / bounds.step)));
}

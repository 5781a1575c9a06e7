// Ranges of things to hand out (addresses, ports) as offsets from 0, and in which order they are tried.

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
  for (const offset of offsetsToTry(range, random)) if (!used.has(offset)) return offset;
  return undefined;
}

/** Every offset once: the upper band from a random place on, then the lower one likewise. */
export function* offsetsToTry(range: NumberRange, random: () => number): Generator<number> {
  yield* band(range.dynamicFrom, range.size, random);
  yield* band(0, range.dynamicFrom, random);
}

function* band(from: number, to: number, random: () => number): Generator<number> {
  const count = to - from;
  const start = Math.floor(random() * count);
  for (let step = 0; step < count; step++) yield from + ((start + step) % count);
}

/** Upstream's size of the lower band: a `step`-th of the range within bounds, none for tiny ranges. */
export function lowerBandSize(size: number, bounds: { min: number; max: number; step: number }): number {
  if (size <= bounds.min) return 0;
  return Math.max(bounds.min, Math.min(bounds.max, Math.floor(size / bounds.step)));
}

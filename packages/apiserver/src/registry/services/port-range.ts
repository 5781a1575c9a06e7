// Node ports as offsets from the first one.

import type { NumberRange } from "./number-range.ts";
import { lowerBandSize } from "./number-range.ts";

/** The range of --service-node-port-range; `text` is as messages name it. */
export interface PortRange extends NumberRange {
  readonly text: string;
}

/** `30000-32767`; throws for anything else. */
export function portRange(text: string): PortRange {
  const [, low, high] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  const [from, to] = [Number(low), Number(high)];
  if (!(from >= 1 && from <= to && to <= 65_535)) throw new Error(`"${text}" is not a valid port range`);
  const size = to - from + 1;
  return {
    text,
    size,
    dynamicFrom: lowerBandSize(size, { min: 16, max: 128, step: 32 }),
    offsetOf(value) {
      const offset = Number(value) - from;
      return Number.isInteger(offset) && offset >= 0 && offset < size ? offset : undefined;
    },
    valueAt: (offset) => String(from + offset),
  };
}

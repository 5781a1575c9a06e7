// How one field of KubeletConfiguration is read from a file and written back by /configz.
import { isQuantity } from "@skiff/api/quantity.ts";
import type { Taint } from "@skiff/api/types.ts";
import { type Flag, flag, parseDuration } from "@skiff/component-base/flags.ts";

/** One field: its value when absent, and both ways between what a file holds and what the kubelet uses. */
export interface Field<T> {
  readonly default: T;
  /** Throws an Error that says what is wanted. */
  decode(value: unknown): T;
  encode(value: T): unknown;
  /** From a command line; absent means that the text is decoded as it stands. */
  parse?(text: string): T;
  readonly isBoolean?: boolean;
}

/** The identity: most values are written back as they were read. */
const same = <T>(value: T): T => value;

/** Any text. */
export function text(fallback: string): Field<string> {
  return { default: fallback, decode: (value) => asText(value), encode: same };
}

/** One of a few words. */
export function word<T extends string>(fallback: T, ...others: readonly T[]): Field<T> {
  const decode = (value: unknown) => {
    const found = [fallback, ...others].find((candidate) => candidate === value);
    if (found === undefined) throw new Error(`only ${quoted([fallback, ...others])} is supported by this kubelet`);
    return found;
  };
  return { default: fallback, decode, encode: same };
}

/** A whole number; a fraction is refused, and so is a text of digits. */
export function int(fallback: number): Field<number> {
  return {
    default: fallback,
    decode(value) {
      if (typeof value !== "number" || !Number.isSafeInteger(value)) throw new Error("a whole number is wanted");
      return value;
    },
    encode: same,
    parse: (given) => flag.int(fallback, "").parse(given, undefined),
  };
}

/** A number that may have a fraction. */
export function fraction(fallback: number): Field<number> {
  return {
    default: fallback,
    decode(value) {
      if (typeof value !== "number") throw new Error("a number is wanted");
      return value;
    },
    encode: same,
  };
}

/** Where absent means something else than any number does. */
export function optionalInt(): Field<number | undefined> {
  return { default: undefined, decode: (value) => int(0).decode(value), encode: same };
}

/** `true` or `false`, without quotes. */
export function bool(fallback: boolean): Field<boolean> {
  return {
    default: fallback,
    decode(value) {
      if (typeof value !== "boolean") throw new Error("true or false is wanted");
      return value;
    },
    encode: same,
    parse: (given) => flag.bool(fallback, "").parse(given, undefined),
    isBoolean: true,
  };
}

/** Where absent means what fits the machine. */
export function optionalBool(): Field<boolean | undefined> {
  return { default: undefined, decode: (value) => bool(false).decode(value), encode: same };
}

/** A feature that is there, or is not: any other value than `fallback` is refused. */
export function only<T extends string | number | boolean>(fallback: T): Field<T> {
  return {
    default: fallback,
    decode(value) {
      if (value !== fallback) throw new Error(`only ${JSON.stringify(fallback)} is supported by this kubelet`);
      return fallback;
    },
    encode: same,
    parse(given) {
      if (given !== String(fallback)) throw new Error(`only ${String(fallback)} is supported by this kubelet`);
      return fallback;
    },
    isBoolean: typeof fallback === "boolean",
  };
}

/** `1m30s` in a file, milliseconds here. */
export function duration(fallbackMs: number): Field<number> {
  return {
    default: fallbackMs,
    decode: (value) => parseDuration(asText(value)),
    encode: formatDuration,
    parse: parseDuration,
  };
}

/** A list of texts, which replaces the default as a whole. */
export function strings(fallback: readonly string[]): Field<readonly string[]> {
  return {
    default: fallback,
    decode(value) {
      if (!Array.isArray(value)) throw new Error("a list is wanted");
      return value.map(asText);
    },
    encode: same,
  };
}

/** An object whose values are all texts. */
export function map(fallback: Readonly<Record<string, string>>): Field<Readonly<Record<string, string>>> {
  return {
    default: fallback,
    decode(value) {
      const entries = Object.entries(asObject(value));
      return Object.fromEntries(entries.map(([key, inner]) => [key, asText(inner)]));
    },
    encode: same,
  };
}

/** Values of HTTP headers by name; one text is a list of one. */
export function headers(): Field<Readonly<Record<string, readonly string[]>>> {
  return {
    default: {},
    decode(value) {
      const entries = Object.entries(asObject(value));
      return Object.fromEntries(entries.map(([name, given]) => [name, [given].flat().map(asText)]));
    },
    encode: same,
  };
}

/** A quantity such as `10Mi`, kept as it was written. */
export function quantity(fallback: string): Field<string> {
  return {
    default: fallback,
    decode(value) {
      const given = typeof value === "number" ? String(value) : asText(value);
      if (!isQuantity(given)) throw new Error("a quantity such as 10Mi is wanted");
      return given;
    },
    encode: same,
  };
}

/** A list of taints; `value` may be absent. The effect is not judged here. */
export function taints(): Field<readonly Taint[]> {
  return {
    default: [],
    decode(value) {
      if (!Array.isArray(value)) throw new Error("a list of taints is wanted");
      return value.map((one) => {
        const { key, value: of, effect } = asObject(one);
        return { key: asText(key), effect: asText(effect), ...(of === undefined ? {} : { value: asText(of) }) };
      });
    },
    encode: same,
  };
}

/** Priority from which on pods get so many seconds at a shutdown. */
export interface ShutdownClass {
  readonly priority: number;
  readonly shutdownGracePeriodSeconds: number;
}

/** The list of shutdownGracePeriodByPodPriority; left out of /configz when empty. */
export function shutdownClasses(): Field<readonly ShutdownClass[]> {
  return {
    default: [],
    decode(value) {
      if (!Array.isArray(value)) throw new Error("a list of priorities and their seconds is wanted");
      return value.map((one) => {
        const { priority, shutdownGracePeriodSeconds } = asObject(one);
        const whole = int(0);
        return {
          priority: whole.decode(priority),
          shutdownGracePeriodSeconds: whole.decode(shutdownGracePeriodSeconds),
        };
      });
    },
    encode: (value) => (value.length > 0 ? value : undefined),
  };
}

/** As Go prints a duration: `10s`, `1m0s`, `2h0m0s`, `500ms`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (Math.abs(ms) < 1000) return `${ms}ms`;
  const seconds = (ms % 60_000) / 1000;
  const minutes = Math.trunc(ms / 60_000) % 60;
  const hours = Math.trunc(ms / 3_600_000);
  if (hours !== 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
}

/** For other fields' decoders; throws an Error that says what is wanted. */
export function asText(value: unknown): string {
  if (typeof value !== "string") throw new Error("a text is wanted");
  return value;
}

/** The same for an object; a list is none. */
export function asObject(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("an object is wanted");
  return value as Record<string, unknown>;
}

function quoted(words: readonly string[]): string {
  return words.map((one) => JSON.stringify(one)).join(" or ");
}

/** The flag of a field, which takes what the field does. */
export function flagOf<T>(field: Field<T>, help: string): Flag<T> {
  const { decode, encode, parse = decode } = field;
  return {
    default: field.default,
    help,
    isBoolean: field.isBoolean ?? false,
    parse: (given) => parse(given),
    format: (value) => String(encode(value)),
  };
}

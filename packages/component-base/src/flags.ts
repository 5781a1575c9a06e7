// Command-line flags in the form upstream takes them: `--name=value`, `--name value`, `--bool`, `--bool=false`.
import { Command, CommanderError, Option } from "commander";

/** One flag: how its text becomes a value, and what it is when absent. */
export interface Flag<T> {
  readonly default: T;
  readonly help: string;
  /** Throws an Error that says what is wrong with `text`; `previous` is the value so far of a repeated flag. */
  parse(text: string, previous: T | undefined): T;
  readonly isBoolean: boolean;
  /** The value as one would write it on a command line; its plain text where that is missing. */
  format?(value: T): string;
}

type Values<F extends Record<string, Flag<unknown>>> = {
  readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never;
};

function make<T>(
  fallback: T,
  help: string,
  parse: Flag<T>["parse"],
  format: (value: T) => string = String,
  isBoolean = false,
): Flag<T> {
  return { default: fallback, help, parse, isBoolean, format };
}

/** Constructors of flags, by the type of value. Durations (`1h5m0.5s`) become milliseconds. */
export const flag = {
  string: (fallback: string, help: string) => make(fallback, help, (text) => text),
  int: (fallback: number, help: string) => make(fallback, help, parseInteger),
  number: (fallback: number, help: string) => make(fallback, help, parseNumber),
  bool: (fallback: boolean, help: string) => make(fallback, help, parseBoolean, String, true),
  /** Comma-separated and repeatable. */
  strings: (fallback: readonly string[], help: string) =>
    make<readonly string[]>(
      fallback,
      help,
      (text, previous) => [...(previous ?? []), ...text.split(",").filter(Boolean)],
      (list) => `[${list.join(",")}]`,
    ),
  /** `key=value,key=value`, repeatable. */
  map: (fallback: Readonly<Record<string, string>>, help: string) =>
    make<Readonly<Record<string, string>>>(
      fallback,
      help,
      (text, previous) => ({ ...previous, ...parsePairs(text) }),
      (pairs) =>
        Object.entries(pairs)
          .map(([key, value]) => `${key}=${value}`)
          .join(","),
    ),
  duration: (fallbackMs: number, help: string) => make(fallbackMs, help, parseDuration, formatDuration),
};

/** Flags that every program has. */
export const commonFlags = {
  v: flag.int(2, "log verbosity, 0 to 10"),
} satisfies Record<string, Flag<unknown>>;

/** A command line that cannot be used; `message` names the flag and what is wrong. */
export class UsageError extends Error {}

/**
 * Reads `argv` (without node and script) into a frozen object; throws UsageError that names the flag. `--help` prints and ends
 * the process with 0. The last of a repeated flag wins, except for lists and maps, which add up.
 */
export function parseFlags<F extends Record<string, Flag<unknown>>>(
  program: string,
  argv: readonly string[],
  flags: F,
): Values<F> {
  // commander would print and exit by itself: here its errors become UsageErrors, which `runProgram` reports.
  const command = new Command(program).exitOverride().allowExcessArguments(false);
  command.configureOutput({ writeErr: () => {} });
  const values = new Map<string, unknown>();
  for (const [name, spec] of Object.entries(flags)) command.addOption(optionFor(name, spec, values));
  try {
    command.parse(argv as string[], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.code === "commander.helpDisplayed") process.exit(0);
    throw new UsageError(usageMessage(error));
  }
  const entries = Object.entries(flags).map(([name, spec]) => [
    name,
    values.has(name) ? values.get(name) : spec.default,
  ]);
  return Object.freeze(Object.fromEntries(entries)) as Values<F>;
}

function optionFor(name: string, spec: Flag<unknown>, values: Map<string, unknown>): Option {
  // Upstream takes `-v 4`, `-v=4` and `--v=4` alike.
  const isShort = name.length === 1;
  const names = isShort ? `-${name}, --${name}` : `--${name}`;
  const option = new Option(`${names} ${spec.isBoolean ? "[value]" : "<value>"}`, spec.help);
  if (spec.isBoolean) option.preset("true");
  option.argParser((given: string) => {
    // commander knows `=` after long names only, and hands on `=4` for `-v=4`.
    const text = isShort ? given.replace(/^=/, "") : given;
    try {
      // Kept aside because commander would turn `--node-ip` into `nodeIp`; our keys are upstream's names.
      values.set(name, spec.parse(text, values.get(name)));
    } catch (error) {
      throw new CommanderError(
        1,
        "invalid",
        `invalid argument "${text}" for "${isShort ? names : `--${name}`}" flag: ${(error as Error).message}`,
      );
    }
  });
  return option;
}

/** commander's words as upstream's (pflag) say it: `unknown flag: --foo`. */
function usageMessage(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^error: /, "").replace(/^unknown option '(.*)'/, "unknown flag: $1");
}

function parseInteger(text: string): number {
  // Fifteen digits are exact in a double; no flag of upstream needs more.
  if (!/^-?\d{1,15}$/.test(text)) throw new Error("a whole number is wanted");
  return Number(text);
}

function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new Error("a number is wanted");
  return value;
}

function parseBoolean(text: string): boolean {
  // The spellings of Go's strconv.ParseBool.
  if (["true", "t", "T", "TRUE", "True", "1"].includes(text)) return true;
  if (["false", "f", "F", "FALSE", "False", "0"].includes(text)) return false;
  throw new Error("true or false is wanted");
}

function parsePairs(text: string): Record<string, string> {
  const pairs = text.split(",").filter(Boolean);
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      if (at < 1) throw new Error(`"${pair}" is not of the form key=value`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

/** All flags with their values, as /flagz shows them. */
export function formatFlags(
  flags: Readonly<Record<string, Flag<unknown>>>,
  values: Readonly<Record<string, unknown>>,
): Record<string, string> {
  const text = (spec: Flag<unknown>, value: unknown) => spec.format?.(value) ?? String(value);
  return Object.fromEntries(Object.entries(flags).map(([name, spec]) => [name, text(spec, values[name])]));
}

/** As Go writes durations: `1h0m0s`, `1m30s`, `50ms`. */
function formatDuration(ms: number): string {
  if (ms !== 0 && Math.abs(ms) < 1000) return `${ms}ms`;
  const [hours, minutes, seconds] = [Math.trunc(ms / 3_600_000), Math.trunc(ms / 60_000) % 60, (ms / 1000) % 60];
  if (hours !== 0) return `${hours}h${minutes}m${seconds}s`;
  return minutes === 0 ? `${seconds}s` : `${minutes}m${seconds}s`;
}

const UNIT_MS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 };

/** A Go duration (time.ParseDuration) such as `1h5m0.5s` in milliseconds; throws an Error that says what is wanted. */
export function parseDuration(text: string): number {
  if (text === "0") return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|ns)/g)];
  const sign = text.startsWith("-") ? -1 : 1;
  // matchAll skips what it does not know, so the parts must add up to the whole text.
  const whole = parts.map((part) => part[0]).join("");
  if (parts.length === 0 || whole !== text.replace(/^[+-]/, ""))
    throw new Error(`"${text}" is no duration such as 1h5m or 10s`);
  return sign * parts.reduce((sum, part) => sum + Number(part[1]) * (UNIT_MS[part[2] ?? ""] ?? 0), 0);
}

// Cron schedules as CronJobs write them: five fields, a descriptor such as `@daily`, or `@every 1h30m`.

/** Each field is a set of bits: bit n stands for the value n. */
export interface CronFields {
  readonly minute: bigint;
  readonly hour: bigint;
  readonly dayOfMonth: bigint;
  readonly month: bigint;
  readonly dayOfWeek: bigint;
  /** Whether the day fields were `*`: if both say something, either is enough. */
  readonly anyDayOfMonth: boolean;
  readonly anyDayOfWeek: boolean;
}

/** Fixed times, or an interval. `timeZone` comes from a `TZ=` prefix, which old CronJobs may still have. */
export type CronSchedule =
  | { readonly type: "fields"; readonly fields: CronFields; readonly timeZone?: string | undefined }
  | { readonly type: "every"; readonly intervalMs: number; readonly timeZone?: string | undefined };

/** A schedule that is none; `message` is upstream's. */
export class CronError extends Error {}

/** Throws CronError in the words of upstream's parser. */
export function parseCron(text: string): CronSchedule {
  if (text === "") throw new CronError("empty spec string");
  const { spec, timeZone } = splitTimeZone(text);
  if (spec.startsWith("@")) return { ...parseDescriptor(spec), timeZone };
  const fields = spec.split(/\s+/).filter(Boolean);
  if (fields.length !== 5) {
    throw new CronError(`expected exactly 5 fields, found ${fields.length}: [${fields.join(" ")}]`);
  }
  return { type: "fields", fields: parseFields(fields), timeZone };
}

/** Whether the wide world knows the zone by that name. */
export function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  /** Counted from `min`. */
  readonly names?: readonly string[];
}

const MINUTE: Bounds = { min: 0, max: 59 };
const HOUR: Bounds = { min: 0, max: 23 };
const DAY_OF_MONTH: Bounds = { min: 1, max: 31 };
const MONTH: Bounds = { min: 1, max: 12, names: "jan feb mar apr may jun jul aug sep oct nov dec".split(" ") };
// Sunday is zero, and nothing is seven.
const DAY_OF_WEEK: Bounds = { min: 0, max: 6, names: "sun mon tue wed thu fri sat".split(" ") };

// Words for common schedules, from the cron of old.
const DESCRIPTORS: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

function splitTimeZone(text: string): { spec: string; timeZone?: string } {
  const zone = /^(?:CRON_)?TZ=(\S*)\s+(.*)$/s.exec(text);
  if (!zone) return { spec: text.trim() };
  const [, timeZone = "", spec = ""] = zone;
  if (!isTimeZone(timeZone)) {
    throw new CronError(`provided bad location ${timeZone}: unknown time zone ${timeZone}`);
  }
  return { spec: spec.trim(), timeZone };
}

function parseDescriptor(text: string): CronSchedule {
  const fields = Object.hasOwn(DESCRIPTORS, text) ? DESCRIPTORS[text] : undefined;
  if (fields) return { type: "fields", fields: parseFields(fields.split(" ")) };
  if (!text.startsWith("@every ")) throw new CronError(`unrecognized descriptor: ${text}`);
  const duration = text.slice("@every ".length);
  const intervalMs = parseDuration(duration);
  if (intervalMs !== undefined) return { type: "every", intervalMs: Math.max(1000, intervalMs - (intervalMs % 1000)) };
  throw new CronError(`failed to parse duration ${text}: time: invalid duration ${JSON.stringify(duration)}`);
}

const UNIT_MS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** A duration as Go writes it, in milliseconds. */
function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d*)?(h|ms|m|s|us|µs|ns))+$/.test(text)) return undefined;
  let total = 0;
  for (const [, figure = "0", unit = "s"] of text.matchAll(/(\d+(?:\.\d*)?)(h|ms|m|s|us|µs|ns)/g)) {
    total += Number(figure) * (UNIT_MS[unit] ?? 0);
  }
  return total;
}

function parseFields([
  minute = "",
  hour = "",
  dayOfMonth = "",
  month = "",
  dayOfWeek = "",
]: readonly string[]): CronFields {
  return {
    minute: parseField(minute, MINUTE),
    hour: parseField(hour, HOUR),
    dayOfMonth: parseField(dayOfMonth, DAY_OF_MONTH),
    month: parseField(month, MONTH),
    dayOfWeek: parseField(dayOfWeek, DAY_OF_WEEK),
    anyDayOfMonth: isAny(dayOfMonth),
    anyDayOfWeek: isAny(dayOfWeek),
  };
}

const isAny = (field: string) => field.split(",").some((part) => /^[*?](\/1)?$/.test(part));

function parseField(text: string, bounds: Bounds): bigint {
  let bits = 0n;
  for (const part of text.split(",").filter(Boolean)) bits |= parseRange(part, bounds);
  return bits;
}

/** `*`, `3`, `1-5`, a star with a step, `10-40/10`, `mon-fri`. */
function parseRange(text: string, bounds: Bounds): bigint {
  const [range = "", stepText, ...moreSteps] = text.split("/");
  const [low = "", high, ...moreHyphens] = range.split("-");
  const any = low === "*" || low === "?";
  if (!any && moreHyphens.length > 0) throw new CronError(`too many hyphens: ${text}`);
  const start = any ? bounds.min : parseValue(low, bounds);
  let end = any ? bounds.max : high === undefined ? start : parseValue(high, bounds);
  if (moreSteps.length > 0) throw new CronError(`too many slashes: ${text}`);
  const step = stepText === undefined ? 1 : parseNumber(stepText);
  // A single value with a step runs to the end of what is possible.
  if (stepText !== undefined && !any && high === undefined) end = bounds.max;
  if (start < bounds.min) {
    throw new CronError(`beginning of range (${start}) below minimum (${bounds.min}): ${text}`);
  }
  if (end > bounds.max) throw new CronError(`end of range (${end}) above maximum (${bounds.max}): ${text}`);
  if (start > end) throw new CronError(`beginning of range (${start}) beyond end of range (${end}): ${text}`);
  if (step === 0) throw new CronError(`step of range should be a positive number: ${text}`);
  let bits = 0n;
  for (let value = start; value <= end; value += step) bits |= 1n << BigInt(value);
  return bits;
}

function parseValue(text: string, { min, names }: Bounds): number {
  const at = names?.indexOf(text.toLowerCase()) ?? -1;
  return at >= 0 ? at + min : parseNumber(text);
}

function parseNumber(text: string): number {
  if (!/^[+-]?\d{1,15}$/.test(text)) {
    throw new CronError(
      `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`,
    );
  }
  const value = Number(text);
  if (value < 0) throw new CronError(`negative number (${value}) not allowed: ${text}`);
  return value;
}

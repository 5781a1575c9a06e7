// Times as upstream reads and writes them: RFC 3339 in UTC, whole seconds (Time) or microseconds (MicroTime).

/** A text that is no time; `message` is Go's. */
export class TimeError extends Error {}

// Times that need no work, which almost all are. The last days of a month go the long way, where the calendar is checked.
const CANONICAL = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
const CANONICAL_MICRO = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/;
// Go names its layouts by an example: these stand in its messages.
const LAYOUT = "2006-01-02T15:04:05Z07:00";
const LAYOUT_MICRO = "2006-01-02T15:04:05.000000Z07:00";

/** The canonical text: in UTC, fractions of a second cut off; throws TimeError. */
export function canonicalTime(text: string): string {
  if (CANONICAL.test(text)) return text;
  const { seconds } = parse(text, LAYOUT);
  return `${seconds}Z`;
}

/** Fractions of any length are taken (clients in JavaScript send three digits) and written as six. */
export function canonicalMicroTime(text: string): string {
  if (CANONICAL_MICRO.test(text)) return text;
  const { seconds, fraction } = parse(text, LAYOUT_MICRO);
  return `${seconds}.${fraction.padEnd(6, "0").slice(0, 6)}Z`;
}

// What Go's parser eats in order, and the piece of its layout that it names when it cannot.
const PIECES: readonly (readonly [RegExp, string])[] = [
  [/^\d{4}/, "2006"],
  [/^-/, "-"],
  [/^\d\d/, "01"],
  [/^-/, "-"],
  [/^\d\d/, "02"],
  [/^T/, "T"],
  [/^\d\d/, "15"],
  [/^:/, ":"],
  [/^\d\d/, "04"],
  [/^:/, ":"],
  [/^\d\d/, "05"],
  [/^(?:[.,]\d+)?/, ""],
  [/^(?:Z|[-+]\d\d:\d\d)/, "Z07:00"],
];

function parse(text: string, layout: string): { seconds: string; fraction: string } {
  const found: string[] = [];
  let rest = text;
  for (const [pattern, piece] of PIECES) {
    const match = pattern.exec(rest);
    if (!match) fail(text, layout, `: cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(piece)}`);
    found.push(match[0]);
    rest = rest.slice(match[0].length);
  }
  if (rest !== "") fail(text, layout, `: extra text: ${JSON.stringify(rest)}`);
  const [year, , month, , day, , hour, , minute, , second, fraction = "", zone = "Z"] = found;
  checkRanges(text, [Number(year), Number(month), Number(day), Number(hour), Number(minute), Number(second)]);
  const instant = new Date(Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`) - offsetMs(zone));
  if (Number.isNaN(instant.getTime())) throw new TimeError(`parsing time ${JSON.stringify(text)}: year out of range`);
  return { seconds: instant.toISOString().slice(0, -5), fraction: fraction.slice(1) };
}

function checkRanges(text: string, parts: readonly [number, number, number, number, number, number]): void {
  const [year, month, day, hour, minute, second] = parts;
  const out = (what: string) => new TimeError(`parsing time ${JSON.stringify(text)}: ${what} out of range`);
  if (month < 1 || month > 12) throw out("month");
  if (day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate()) throw out("day");
  if (hour > 23) throw out("hour");
  if (minute > 59) throw out("minute");
  // Go knows no leap seconds either.
  if (second > 59) throw out("second");
}

function offsetMs(zone: string): number {
  if (zone === "Z") return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return (zone.startsWith("-") ? -minutes : minutes) * 60_000;
}

function fail(text: string, layout: string, why: string): never {
  throw new TimeError(`parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}${why}`);
}

// Resource quantities: exact, with upstream's suffixes, rounding and canonical form.

/** `1k`, `1Ki` and `1e3`: an amount keeps the notation of its writer. */
export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

/** `nano` is the amount in billionths: finer amounts are rounded away from zero, larger than 2^63-1 are capped. */
export interface Quantity {
  readonly nano: bigint;
  readonly format: QuantityFormat;
}

/** A text that is no quantity; `message` is upstream's. */
export class QuantityError extends Error {}

/** Upstream's error, the same for whatever cannot be read at all. */
export const QUANTITY_REGEX_MESSAGE =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const NANO = 1_000_000_000n;
/** Upstream's maxAllowed: what an int64 holds. */
const MAX = ((1n << 63n) - 1n) * NANO;
const BINARY_SUFFIXES = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
const DECIMAL_EXPONENTS: ReadonlyMap<string, number> = new Map([
  ["n", -9],
  ["u", -6],
  ["m", -3],
  ["", 0],
  ["k", 3],
  ["M", 6],
  ["G", 9],
  ["T", 12],
  ["P", 15],
  ["E", 18],
]);
const DECIMAL_SUFFIXES = new Map([...DECIMAL_EXPONENTS].map(([suffix, exponent]) => [exponent, suffix]));

/** Throws QuantityError in upstream's words. Exact: 0.1 is 100000000 billionths, not a fraction in binary. */
export function parseQuantity(text: string): Quantity {
  const known = parsed.get(text);
  if (known) return known;
  const quantity = readQuantity(text);
  remember(parsed, text, quantity);
  return quantity;
}

// A cluster uses a few amounts again and again, and exact arithmetic costs more than the rest of decoding a container.
const parsed = new Map<string, Quantity>();
const canonical = new Map<string, string>();
const MAX_REMEMBERED = 1000;

function remember<T>(known: Map<string, T>, text: string, value: T): void {
  if (known.size >= MAX_REMEMBERED) known.clear();
  known.set(text, value);
}

function readQuantity(text: string): Quantity {
  const match = /^([+-]?)(\d*)(\.\d*)?([eEinumkKMGTP]*[-+]?\d*)$/.exec(text);
  if (!match || text.length > 256) throw new QuantityError(QUANTITY_REGEX_MESSAGE);
  const [, sign, whole = "", point = "", suffix = ""] = match;
  const fraction = point.slice(1);
  if (whole === "" && fraction === "") {
    throw new QuantityError(point === "" ? QUANTITY_REGEX_MESSAGE : "unable to parse numeric part of quantity");
  }
  const { binary, exponent, format } = readSuffix(suffix);
  const digits = BigInt(whole + fraction);
  const nano = roundUp(scale(digits, exponent - fraction.length + 9, binary));
  const capped = nano > MAX ? MAX : nano;
  return { nano: sign === "-" ? -capped : capped, format };
}

/** Whether the text can be parsed; says nothing of sign or size. */
export function isQuantity(text: string): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch {
    return false;
  }
}

/** Whole units, rounded up: bytes of memory, counts. */
export function quantityValue(text: string): number {
  return fastInteger(text) ?? Number(ceilDivide(parseQuantity(text).nano, NANO));
}

/** Thousandths, rounded up: milli-CPU. */
export function quantityMilliValue(text: string): number {
  const whole = fastInteger(text);
  return whole !== undefined ? whole * 1000 : Number(ceilDivide(parseQuantity(text).nano, 1_000_000n));
}

/** The text that upstream stores (CanonicalizeBytes): `1000m` is `1`, `0.5` is `500m`, `1024Mi` is `1Gi`. */
export function canonicalQuantity(text: string): string {
  const known = canonical.get(text);
  if (known !== undefined) return known;
  const found = quantityToString(parseQuantity(text));
  remember(canonical, text, found);
  return found;
}

/** The canonical text: the largest suffix that leaves a whole number. */
function quantityToString({ nano, format }: Quantity): string {
  if (nano === 0n) return "0";
  const isWhole = nano % NANO === 0n;
  const magnitude = nano < 0n ? -nano : nano;
  // Below 1Ki and where a binary suffix would lose precision, upstream shows decimals instead.
  if (format === "BinarySI" && isWhole && magnitude >= 1024n * NANO) return formatBinary(nano / NANO);
  return formatDecimal(nano, format === "DecimalExponent");
}

/** Negative, zero or positive, as a sort function wants it. */
export function compareQuantities(a: string, b: string): number {
  const difference = parseQuantity(a).nano - parseQuantity(b).nano;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The sum in the first one's format, unless that is zero. */
export function addQuantities(a: string, b: string): string {
  const left = parseQuantity(a);
  const right = parseQuantity(b);
  return quantityToString({ nano: left.nano + right.nano, format: left.nano === 0n ? right.format : left.format });
}

/** The difference, in the same format as the sum; may be negative. */
export function subtractQuantities(a: string, b: string): string {
  const left = parseQuantity(a);
  const right = parseQuantity(b);
  return quantityToString({ nano: left.nano - right.nano, format: left.nano === 0n ? right.format : left.format });
}

/** Whole units as text: `formatQuantity(1024 ** 2, "binary")` is `1Mi`. */
export function formatQuantity(value: number | bigint, format: "decimal" | "binary"): string {
  const whole = typeof value === "bigint" ? value : BigInt(Math.ceil(value));
  return quantityToString({ nano: whole * NANO, format: format === "binary" ? "BinarySI" : "DecimalSI" });
}

/** Thousandths as text: 1500 is `1500m`, 2000 is `2`. */
export function formatMilliQuantity(milli: number | bigint): string {
  const whole = typeof milli === "bigint" ? milli : BigInt(Math.ceil(milli));
  return quantityToString({ nano: whole * 1_000_000n, format: "DecimalSI" });
}

interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

// Schedulers and quotas read thousands of these; most are plain digits that a number holds exactly.
function fastInteger(text: string): number | undefined {
  if (text.length === 0 || text.length > 15) return undefined;
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value;
}

function readSuffix(suffix: string): { binary: number; exponent: number; format: QuantityFormat } {
  const exponent = DECIMAL_EXPONENTS.get(suffix);
  if (exponent !== undefined) return { binary: 0, exponent, format: "DecimalSI" };
  const binary = BINARY_SUFFIXES.indexOf(suffix);
  if (binary > 0) return { binary, exponent: 0, format: "BinarySI" };
  // `1E` is a decimal suffix and was found above; `1E3` is an exponent.
  const scientific = /^[eE]([-+]?\d+)$/.exec(suffix);
  if (!scientific) throw new QuantityError("unable to parse quantity's suffix");
  return { binary: 0, exponent: Number(scientific[1]), format: "DecimalExponent" };
}

function scale(digits: bigint, exponent: number, binary: number): Fraction {
  if (digits === 0n) return { numerator: 0n, denominator: 1n };
  // Beyond these the result is the cap or the smallest amount, whatever the digits: no giant powers of ten.
  const bounded = Math.min(Math.max(exponent, -600), 600);
  const shifted = digits << BigInt(10 * binary);
  return bounded >= 0
    ? { numerator: shifted * 10n ** BigInt(bounded), denominator: 1n }
    : { numerator: shifted, denominator: 10n ** BigInt(-bounded) };
}

function roundUp({ numerator, denominator }: Fraction): bigint {
  return (numerator + denominator - 1n) / denominator;
}

/** Towards positive infinity: bigint division cuts towards zero, which is right for negative values already. */
function ceilDivide(value: bigint, divisor: bigint): bigint {
  return value > 0n ? (value + divisor - 1n) / divisor : value / divisor;
}

function formatBinary(value: bigint): string {
  let mantissa = value;
  let power = 0;
  while (mantissa % 1024n === 0n && power < BINARY_SUFFIXES.length - 1) {
    mantissa /= 1024n;
    power++;
  }
  return `${mantissa}${BINARY_SUFFIXES[power]}`;
}

function formatDecimal(nano: bigint, scientific: boolean): string {
  let mantissa = nano;
  let exponent = -9;
  while (mantissa % 1000n === 0n && (exponent < 18 || scientific)) {
    mantissa /= 1000n;
    exponent += 3;
  }
  if (!scientific) return `${mantissa}${DECIMAL_SUFFIXES.get(exponent) ?? ""}`;
  return exponent === 0 ? `${mantissa}` : `${mantissa}e${exponent}`;
}

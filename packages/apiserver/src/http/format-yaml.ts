// Answers as YAML in the layout of Go's emitter, so that they compare byte by byte with upstream's: keys sorted, lists not indented.
import { formatScalar, isSimpleKey } from "./yaml-scalar.ts";

/** For `Accept: application/yaml`: any JSON value, with a line end after it. */
export function formatYaml(value: unknown): string {
  // Through JSON, as upstream does: what JSON leaves out is not there.
  const plain: unknown = JSON.parse(JSON.stringify(value));
  const writer = new YamlWriter();
  writer.node(plain, 0, "root");
  return writer.finish();
}

/** What stands before a node decides whether its first line is the same one. */
type Before = "root" | "key" | "dash";

class YamlWriter {
  private text = "";

  finish(): string {
    return this.text.endsWith("\n") ? this.text : `${this.text}\n`;
  }

  /** `indent` is that of the mapping or list around it. */
  node(value: unknown, indent: number, before: Before): void {
    if (Array.isArray(value)) this.list(value, indent, before);
    else if (value !== null && typeof value === "object") this.mapping(value as Members, indent, before);
    else this.scalar(value, indent, before);
  }

  private list(items: readonly unknown[], indent: number, before: Before): void {
    if (items.length === 0) return void this.append(before === "root" ? "[]" : " []");
    // A list under a key stands as deep as the key; one inside a list stands deeper.
    const own = before === "dash" ? indent + STEP : indent;
    for (const [index, item] of items.entries()) {
      if (index === 0 && before === "dash") this.append(" ");
      else this.startLine(own);
      this.append("-");
      this.node(item, own, "dash");
    }
  }

  private mapping(members: Members, indent: number, before: Before): void {
    const keys = Object.keys(members).sort(compareKeys);
    if (keys.length === 0) return void this.append(before === "root" ? "{}" : " {}");
    const own = before === "root" ? indent : indent + STEP;
    for (const [index, key] of keys.entries()) {
      if (index === 0 && before === "dash") this.append(" ");
      else this.startLine(own);
      if (isSimpleKey(key)) {
        this.append(`${formatScalar(key, { column: own, indent: own, isKey: true })}:`);
        this.node(members[key], own, "key");
      } else {
        this.longKey(key, own);
        this.node(members[key], own, "dash");
      }
    }
  }

  /** A key that is too long to be found in one look has a line of its own. */
  private longKey(key: string, indent: number): void {
    this.append(`? ${formatScalar(key, { column: indent + STEP, indent: indent + STEP, isKey: false })}`);
    this.startLine(indent);
    this.append(":");
  }

  private scalar(value: unknown, indent: number, before: Before): void {
    if (before !== "root") this.append(" ");
    const column = this.text.length - (this.text.lastIndexOf("\n") + 1);
    const place = { column, indent: before === "root" ? indent : indent + STEP, isKey: false };
    this.append(typeof value === "string" ? formatScalar(value, place) : formatOther(value));
  }

  private startLine(indent: number): void {
    if (this.text !== "" && !this.text.endsWith("\n")) this.text += "\n";
    this.text += " ".repeat(indent);
  }

  private append(text: string): void {
    this.text += text;
  }
}

type Members = Readonly<Record<string, unknown>>;
const STEP = 2;

/** Numbers as Go writes them: with an exponent from a million on, where they are no integers. */
function formatOther(value: unknown): string {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  const exponent = Number(value.toExponential().split("e")[1]);
  if (exponent >= -4 && exponent < 6) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

/** Letters after everything else, and runs of digits by their value: `a2` before `a10`. */
function compareKeys(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let at = 0; at < left.length && at < right.length; at++) {
    const [x, y] = [left[at] as string, right[at] as string];
    if (x === y) continue;
    const [xLetter, yLetter] = [LETTER.test(x), LETTER.test(y)];
    if (xLetter && yLetter) return byCodePoint(x, y);
    if (xLetter || yLetter) return xLetter ? 1 : -1;
    return compareNumbers(left, right, at) || byCodePoint(x, y);
  }
  return left.length - right.length;
}

/** Both from where they differ; zeros count only inside a number that has begun before. */
function compareNumbers(left: readonly string[], right: readonly string[], at: number): number {
  const lead = (left[at] === "0" || right[at] === "0") && isInsideNumber(left, at) ? 1n : 0n;
  const [x, y] = [digitsFrom(left, at), digitsFrom(right, at)];
  const numberOf = (digits: string) => BigInt(`${lead}${digits}`);
  const [p, q] = [numberOf(x), numberOf(y)];
  if (p !== q) return p < q ? -1 : 1;
  return x.length - y.length;
}

function isInsideNumber(text: readonly string[], at: number): boolean {
  for (let before = at - 1; before >= 0 && isDigit(text[before] as string); before--) {
    if (text[before] !== "0") return true;
  }
  return false;
}

function digitsFrom(text: readonly string[], at: number): string {
  let end = at;
  while (end < text.length && isDigit(text[end] as string)) end++;
  return text.slice(at, end).join("");
}

const LETTER = /^\p{L}$/u;
const isDigit = (character: string) => character >= "0" && character <= "9" && character.length === 1;
const byCodePoint = (a: string, b: string) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0);

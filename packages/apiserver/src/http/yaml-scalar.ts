// How a text stands in YAML: as it is, quoted or as a block, and where its lines are folded; the choices are those of Go's emitter.

/** Where the text goes. */
export interface ScalarPlace {
  /** Of the first character on its line. */
  readonly column: number;
  /** Of the lines after the first. */
  readonly indent: number;
  /** Keys stay on one line. */
  readonly isKey: boolean;
}

/** The text as YAML reads it back. */
export function formatScalar(text: string, place: ScalarPlace): string {
  const facts = analyse(text);
  if (text.includes("\n") && !place.isKey) {
    return facts.block ? literal(text, place.indent) : doubleQuoted(text, place);
  }
  if (text.includes("\n") || readsAsOther(text)) return doubleQuoted(text, place);
  if (facts.plain) return fold(text, place, (at) => text[at + 1] !== " ");
  return facts.singleQuoted ? singleQuoted(text, place) : doubleQuoted(text, place);
}

/** Whether a key may stand before its colon on one line. */
export function isSimpleKey(key: string): boolean {
  return Buffer.byteLength(key) <= 128 && !BREAK.test(key);
}

/** Lines longer than this are folded at their next space. */
const BEST_WIDTH = 80;

interface Facts {
  readonly plain: boolean;
  readonly singleQuoted: boolean;
  readonly block: boolean;
}

const BREAK = /[\n\r\u0085\u2028\u2029]/;
/** Everything that is written as it is; the rest is escaped. */
const UNPRINTABLE = /[^\n\x20-\x7e\u00a0-\ud7ff\ue000-\ufefe\uff00-\ufffd]/u;

function analyse(text: string): Facts {
  // Breaks other than \n are rare enough to be escaped always.
  const special = UNPRINTABLE.test(text) || / \n/.test(text) || /[\u2028\u2029]/.test(text);
  const indented = /\n /.test(text);
  return {
    plain: !special && !/^\s|\s$|\n/.test(text) && !hasIndicators(text),
    singleQuoted: !special && !indented,
    block: !special && !text.endsWith(" "),
  };
}

/** What means something else to a YAML reader where it stands. */
function hasIndicators(text: string): boolean {
  return /^(---|\.\.\.)/.test(text) || /^[#,[\]{}&*!|>'"%@`]/.test(text) || /^[-?](?= |$)|:(?= |$)| #/.test(text);
}

function fold(text: string, place: ScalarPlace, mayBreak: (at: number) => boolean): string {
  if (place.isKey || place.column + text.length <= BEST_WIDTH) return text;
  let out = "";
  let column = place.column;
  let afterSpace = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] as string;
    if (character === " " && !afterSpace && column > BEST_WIDTH && mayBreak(at)) {
      out += `\n${" ".repeat(place.indent)}`;
      column = place.indent;
    } else {
      out += character;
      // A pair of surrogates is one character.
      if (!/[\udc00-\udfff]/.test(character)) column++;
    }
    afterSpace = character === " ";
  }
  return out;
}

function singleQuoted(text: string, place: ScalarPlace): string {
  const escaped = text.replaceAll("'", "''");
  const inner = { ...place, column: place.column + 1 };
  const mayBreak = (at: number) => at > 0 && at < escaped.length - 1 && escaped[at + 1] !== " ";
  return `'${fold(escaped, inner, mayBreak)}'`;
}

const NAMED_ESCAPES: Readonly<Record<number, string>> = {
  0: "0",
  7: "a",
  8: "b",
  9: "t",
  10: "n",
  11: "v",
  12: "f",
  13: "r",
  27: "e",
  34: '"',
  92: "\\",
  133: "N",
  160: "_",
  8232: "L",
  8233: "P",
};

function doubleQuoted(text: string, place: ScalarPlace): string {
  const characters = [...text];
  let out = "";
  let column = place.column + 1;
  let afterSpace = false;
  for (const [at, character] of characters.entries()) {
    const mayBreak = !place.isKey && !afterSpace && column > BEST_WIDTH && at > 0 && at < characters.length - 1;
    let piece = escapeCharacter(character);
    if (character === " " && mayBreak) {
      // A space at the start of a line would be lost.
      piece = `\n${" ".repeat(place.indent)}${characters[at + 1] === " " ? "\\" : ""}`;
      column = piece.length - 1;
    } else column += piece.length;
    out += piece;
    afterSpace = character === " ";
  }
  return `"${out}"`;
}

function escapeCharacter(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const isPlain = !UNPRINTABLE.test(character) && !BREAK.test(character) && character !== '"' && character !== "\\";
  if (isPlain) return character;
  const name = NAMED_ESCAPES[code];
  if (name !== undefined) return `\\${name}`;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, "0")}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}

/** `|` and the lines as they are; the marks after it say what becomes of the last line ends and of leading spaces. */
function literal(text: string, indent: number): string {
  const hint = /^[ \n]/.test(text) ? "2" : "";
  const chomp = !text.endsWith("\n") ? "-" : text === "\n" || text.endsWith("\n\n") ? "+" : "";
  const margin = " ".repeat(indent);
  const lines = text.split("\n").map((line) => (line === "" ? "" : margin + line));
  return `|${hint}${chomp}\n${lines.join("\n")}`;
}

const WORDS = new Set(
  "y Y yes Yes YES true True TRUE on On ON n N no No NO false False FALSE off Off OFF ~ null Null NULL .nan .NaN .NAN .inf .Inf .INF +.inf +.Inf +.INF -.inf -.Inf -.INF"
    .split(" ")
    .concat(""),
);

/** Whether a YAML 1.1 reader takes it for something else than a text when nothing says that it is one. */
function readsAsOther(text: string): boolean {
  if (WORDS.has(text)) return true;
  if (text.startsWith(".")) return /^\.\d+([eE][-+]?\d+)?$/.test(text);
  if (!/^[-+\d]/.test(text)) return false;
  return isTimestamp(text) || isNumber(text.replaceAll("_", "")) || SEXAGESIMAL.test(text);
}

const SEXAGESIMAL = /^[-+]?\d[\d_]*(:[0-5]?\d)+(\.[\d_]*)?$/;

function isNumber(text: string): boolean {
  if (/^[-+]?0([xX][\da-fA-F]+|[bB][01]+|[oO][0-7]+)$/.test(text)) {
    return BigInt(text.replace(/^[-+]/, "").toLowerCase()) < 2n ** 64n;
  }
  return /^[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?$/.test(text) && Number.isFinite(Number(text));
}

const TIMESTAMP = /^(\d{4})-(\d\d?)-(\d\d?)(?:([Tt ])(\d\d?):(\d\d?):(\d\d?)(?:[.,]\d+)?(Z|[-+]\d\d:\d\d)?)?$/;

/** Dates, and times of day with a zone after a `T` or without one after a space. */
function isTimestamp(text: string): boolean {
  const parts = TIMESTAMP.exec(text);
  if (!parts) return false;
  const [year, month, day, hour, minute, second] = [1, 2, 3, 5, 6, 7].map((at) => Number(parts[at] ?? 0)) as Six;
  const [separator, zone] = [parts[4], parts[8]];
  if (separator && (separator === " ") !== (zone === undefined)) return false;
  const daysInMonth = new Date(Date.UTC(year % 400, month, 0)).getUTCDate();
  return month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth && hour < 24 && minute < 60 && second < 60;
}

type Six = [number, number, number, number, number, number];

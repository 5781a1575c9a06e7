// What JSON.parse does not tell: which keys stand twice, and what is wrong in the words of upstream's decoder.
import { formatPath, type PathPart } from "./field-path.ts";
import type { PlainObject } from "./plain-object.ts";

/** Upstream stops counting strict errors there. */
export const MAX_STRICT_ERRORS = 100;

/** Upstream's decoder refuses what is nested deeper. */
const MAX_NESTING = 10_000;

/** What one scan of a text finds. */
export interface JsonFindings {
  /** `spec.replicas`, `spec.containers[0].name`: keys that appear more than once in one object. */
  readonly duplicateFields: readonly string[];
  /** What makes the text no JSON. */
  readonly syntaxError?: string;
}

/** One container that is still open. */
interface Frame {
  /** Keys seen so far; undefined in an array. */
  readonly keys: Set<string> | undefined;
  index: number;
}

/** One pass over the text without recursion, so that nesting cannot exhaust the stack. */
export function scanJson(text: string): JsonFindings {
  const scanner = new Scanner(text);
  try {
    scanner.scanDocument();
    return { duplicateFields: scanner.duplicates };
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error;
    return { duplicateFields: scanner.duplicates, syntaxError: error.message };
  }
}

/**
 * Whether `text`, which is JSON, says each key of `value` just once: then it has as many colons as `value` has members.
 * False also for what is nested so deeply that the full scan must judge it.
 */
export function hasNoDuplicates(text: string, value: unknown): boolean {
  return countMembers(value, 0) === countColons(text);
}

function countMembers(value: unknown, depth: number): number {
  if (typeof value !== "object" || value === null) return 0;
  if (depth > MAX_COUNTED_DEPTH) return Number.NaN;
  let count = 0;
  if (Array.isArray(value)) for (const item of value) count += countMembers(item, depth + 1);
  // Twice as fast for objects of very many keys as asking for all values.
  else for (const key in value) count += 1 + countMembers((value as PlainObject)[key], depth + 1);
  return count;
}

const MAX_COUNTED_DEPTH = 200;

/** Outside strings. */
function countColons(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === COLON) count++;
    else if (char === QUOTE) at = endOfString(text, at);
  }
  return count;
}

/** Where the quote is that ends the string which starts at `start`. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) return at;
    if (char === BACKSLASH) at++;
  }
  return text.length;
}

const COLON = 0x3a;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

class JsonSyntaxError extends Error {}

// Sticky, so that they match where the scanner is and nowhere later.
const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what a JSON string must not hold.
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
const STRING_START = new RegExp(STRING.source.slice(0, -1), "y");

/** Follows Go's decoder so closely that its errors name the same character and context. */
class Scanner {
  readonly duplicates: string[] = [];
  readonly #text: string;
  readonly #stack: Frame[] = [];
  readonly #path: PathPart[] = [];
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  scanDocument(): void {
    do this.#scanValue();
    while (this.#stack.length > 0);
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail("after top-level value");
  }

  /** Reads one scalar or opens a container, then closes all containers that end there. */
  #scanValue(): void {
    this.#skipSpace();
    const char = this.#text[this.#at];
    if (char === "{" || char === "[") {
      this.#at++;
      this.#open(char);
      return;
    }
    this.#scanScalar(char);
    this.#finishValue();
  }

  /** Enters a container; an empty one ends at once. */
  #open(char: "{" | "["): void {
    this.#skipSpace();
    const isObject = char === "{";
    if (this.#stack.length === MAX_NESTING) throw new JsonSyntaxError("exceeded max depth");
    this.#stack.push({ keys: isObject ? new Set() : undefined, index: 0 });
    this.#path.push(isObject ? "" : 0);
    if (this.#text[this.#at] === (isObject ? "}" : "]")) this.#finishValue();
    else if (isObject) this.#scanKey("looking for beginning of object key string");
  }

  /** Closes what ends here, however many containers that is, or moves on to the next member. */
  #finishValue(): void {
    for (let frame = this.#stack.at(-1); frame; frame = this.#stack.at(-1)) {
      this.#skipSpace();
      const char = this.#text[this.#at];
      if (char === ",") {
        this.#nextMember(frame);
        return;
      }
      if (char !== (frame.keys ? "}" : "]")) {
        this.#fail(frame.keys ? "after object key:value pair" : "after array element");
      }
      this.#at++;
      this.#stack.pop();
      this.#path.pop();
    }
  }

  #nextMember(frame: Frame): void {
    this.#at++;
    if (frame.keys) this.#scanKey("looking for beginning of object key string");
    else this.#path[this.#path.length - 1] = ++frame.index;
  }

  #scanKey(context: string): void {
    this.#skipSpace();
    if (this.#text[this.#at] !== '"') this.#fail(context);
    const key = JSON.parse(this.#scanString()) as string;
    this.#path[this.#path.length - 1] = key;
    const keys = this.#stack.at(-1)?.keys;
    if (keys?.has(key) && this.duplicates.length < MAX_STRICT_ERRORS) this.duplicates.push(formatPath(this.#path));
    keys?.add(key);
    this.#skipSpace();
    if (this.#text[this.#at] !== ":") this.#fail("after object key");
    this.#at++;
  }

  #scanScalar(char: string | undefined): void {
    if (char === '"') this.#scanString();
    else if (char === "t") this.#scanWord("true");
    else if (char === "f") this.#scanWord("false");
    else if (char === "n") this.#scanWord("null");
    else if (!this.#match(NUMBER)) this.#fail(char === "-" ? "in numeric literal" : "looking for beginning of value");
  }

  #scanString(): string {
    const found = this.#match(STRING);
    if (found) return found;
    this.#at = this.#endOfGoodString();
    return this.#fail("in string literal");
  }

  // Only on the way to an error message: where the string stops being one.
  #endOfGoodString(): number {
    STRING_START.lastIndex = this.#at;
    return this.#at + (STRING_START.exec(this.#text)?.[0].length ?? 0);
  }

  #scanWord(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.#text[this.#at] !== word[i]) this.#fail(`in literal ${word} (expecting '${word[i]}')`);
      this.#at++;
    }
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #skipSpace(): void {
    this.#match(SPACE);
  }

  #fail(context: string): never {
    const char = this.#text[this.#at];
    if (char === undefined) throw new JsonSyntaxError("unexpected end of JSON input");
    // As Go's quoteChar shows it.
    const shown = char === "'" ? `'\\''` : `'${JSON.stringify(char).slice(1, -1).replace('\\"', '"')}'`;
    throw new JsonSyntaxError(`invalid character ${shown} ${context}`);
  }
}

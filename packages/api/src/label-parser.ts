// The grammar of label selector text: `a=b, c!=d, e in (f,g), h notin (i), j, !k, l>1`.
import { badRequest } from "./errors.ts";

/** As they stand in the text; a bare key means `exists`. */
export type LabelOperator = "=" | "==" | "!=" | "in" | "notin" | "exists" | "!" | "gt" | "lt";

/** One condition on one key. `values` are sorted; one value for `=`, `!=`, `gt`, `lt`, none for `exists` and `!`. */
export interface Requirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

/** Longest selector read: a request line is bounded anyway, this bounds a body's. */
const MAX_LENGTH = 256 * 1024;

/** In the order of the text, unchecked; throws ApiError 400 in the words of upstream's parser. */
export function parseRequirements(text: string): Requirement[] {
  if (text.length > MAX_LENGTH) throw badRequest("unable to parse requirement: the selector is too long");
  const tokens = new Tokens(text);
  const requirements: Requirement[] = [];
  while (true) {
    const head = tokens.peek();
    if (head === "") return requirements;
    if (isIdentifier(head) || head === "!") requirements.push(parseRequirement(tokens));
    else throw badRequest(`found '${head}', expected: !, identifier, or 'end of string'`);
    const next = tokens.take();
    if (next === "") return requirements;
    if (next !== ",") throw badRequest(`found '${next}', expected: ',' or 'end of string'`);
    const after = tokens.peek();
    if (!isIdentifier(after) && after !== "!") throw badRequest(`found '${after}', expected: identifier after ','`);
  }
}

class Tokens {
  // Two-character operators come first, so that `==` is not read as two tokens.
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = text.match(/==|!=|[=!(),<>]|[^\s=!(),<>]+/g) ?? [];
  }

  /** The next token, or "" at the end: no token is empty. */
  peek(): string {
    return this.#tokens[this.#at] ?? "";
  }

  take(): string {
    return this.#tokens[this.#at++] ?? "";
  }
}

function isIdentifier(token: string): boolean {
  return token !== "" && !/^[=!(),<>]/.test(token);
}

function fail(what: string): never {
  throw badRequest(`unable to parse requirement: ${what}`);
}

function parseRequirement(tokens: Tokens): Requirement {
  const negated = tokens.peek() === "!";
  if (negated) tokens.take();
  const key = tokens.take();
  if (!isIdentifier(key)) fail(`found '${key}', expected: identifier`);
  if (negated) return { key, operator: "!", values: [] };
  if (tokens.peek() === "" || tokens.peek() === ",") return { key, operator: "exists", values: [] };
  const operator = parseOperator(tokens.take());
  const values = operator === "in" || operator === "notin" ? parseValues(tokens) : [parseValue(tokens)];
  return { key, operator, values };
}

/** Words are operators only after a key: a label may be called `in`. */
const OPERATORS: Readonly<Record<string, LabelOperator>> = {
  "=": "=",
  "==": "==",
  "!=": "!=",
  in: "in",
  notin: "notin",
  ">": "gt",
  "<": "lt",
};

function parseOperator(token: string): LabelOperator {
  const operator = Object.hasOwn(OPERATORS, token) ? OPERATORS[token] : undefined;
  return operator ?? fail(`found '${token}', expected: in, notin, =, ==, !=, gt, lt`);
}

/** Of `a=` and `a=,b` the value is empty. */
function parseValue(tokens: Tokens): string {
  const next = tokens.peek();
  if (next === "" || next === ",") return "";
  tokens.take();
  return isIdentifier(next) ? next : fail(`found '${next}', expected: identifier`);
}

/** The set in parentheses, sorted; an empty place between commas is the empty value. */
function parseValues(tokens: Tokens): string[] {
  const open = tokens.take();
  if (open !== "(") fail(`found '${open}' expected: '('`);
  if (tokens.peek() === ")") {
    tokens.take();
    // As upstream reads it: the one empty value.
    return [""];
  }
  const values = new Set<string>();
  while (true) {
    const next = tokens.peek();
    if (isIdentifier(next)) values.add(tokens.take());
    else if (next === "," || next === ")") values.add("");
    else fail(`found '${next}', expected: ',', or identifier`);
    const separator = tokens.take();
    if (separator === ")") return [...values].sort();
    if (separator !== ",") fail(`found '${separator}', expected: ',' or ')'`);
  }
}

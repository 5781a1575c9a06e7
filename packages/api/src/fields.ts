// Field selectors: `metadata.name=web,spec.nodeName!=n1`.
import { badRequest } from "./errors.ts";

/** One comparison; `==` in the text is read as `=`. */
export interface FieldRequirement {
  readonly field: string;
  readonly operator: "=" | "!=";
  readonly value: string;
}

/** Unlike labels, fields are only compared: each kind says which of its fields can be asked for. */
export interface FieldSelector {
  readonly requirements: readonly FieldRequirement[];
  readonly isEverything: boolean;
  /** `read` gives an object's value of a field, "" where it has none. */
  matches(read: (field: string) => string): boolean;
  /** The value that `field` must equal, where the selector says so: lets an index answer. */
  requiredValue(field: string): string | undefined;
  toString(): string;
}

/**
 * Throws ApiError 400 in upstream's words; which fields a kind knows is for the caller to check. `nameOf` gives the stored
 * name of a field that the client's version calls otherwise.
 */
export function parseFieldSelector(text: string, nameOf = (field: string) => field): FieldSelector {
  const requirements = splitTerms(text)
    .filter((term) => term !== "")
    .map((term) => parseTerm(term, text))
    // A bare `=` asks for nothing.
    .filter((term) => term.field !== "" || term.value !== "" || term.operator !== "=")
    .map((term) => ({ ...term, field: nameOf(term.field) }));
  return {
    requirements,
    isEverything: requirements.length === 0,
    matches: (read) => requirements.every((r) => (read(r.field) === r.value) === (r.operator === "=")),
    requiredValue: (field) => requirements.find((r) => r.field === field && r.operator === "=")?.value,
    toString: () => requirements.map((r) => `${r.field}${r.operator}${escapeText(r.value)}`).join(","),
  };
}

/** Commas separate terms unless a backslash stands before them; empty terms are nothing, as upstream has it. */
function splitTerms(text: string): string[] {
  return text.match(/(?:\\[\s\S]|[^\\,]|\\$)+/g) ?? [];
}

/** At the first operator: `!=`, `==` or `=`; fields have none in their names, values must escape them. */
function parseTerm(term: string, selector: string): FieldRequirement {
  const match = /^((?:\\[\s\S]|[^\\=!]|!(?!=))*)(!=|==|=)([\s\S]*)$/.exec(term);
  if (!match) throw badRequest(`invalid selector: '${selector}'; can't understand '${term}'`);
  const [, field = "", operator, value = ""] = match;
  return { field: unescapeText(field), operator: operator === "!=" ? "!=" : "=", value: unescapeText(value) };
}

function unescapeText(text: string): string {
  if (!/[\\=,]/.test(text)) return text;
  return text.replace(/\\([\s\S]?)|([=,])/g, (sequence, escaped: string | undefined, bare: string | undefined) => {
    if (bare) throw badRequest(`invalid field selector: unescaped character in value: ${bare.charCodeAt(0)}`);
    if (escaped === "\\" || escaped === "," || escaped === "=") return escaped;
    throw badRequest(`invalid field selector: invalid escape sequence: ${sequence}`);
  });
}

function escapeText(text: string): string {
  return text.replace(/[\\,=]/g, "\\$&");
}

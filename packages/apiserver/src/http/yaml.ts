// YAML bodies as upstream reads them: YAML 1.1 words, then JSON types.
import { type ApiError, badRequest } from "@skiff/api/errors.ts";
import {
  Composer,
  type CST,
  type Document,
  type DocumentOptions,
  isScalar,
  Lexer,
  type ParseOptions,
  Parser,
  type SchemaOptions,
  visit,
} from "yaml";

/** The value of one document. Aliases and depth are bounded, for a few bytes must not become gigabytes. */
export function parseYaml(text: string): unknown {
  if (nestsTooDeep(text)) throw unreadable("exceeded max depth");
  if (CONTROL_CHARACTER.test(text)) throw unreadable("control characters are not allowed");
  const json = jsonOf(text);
  if (json !== undefined) return json;
  const document = parseBounded(text);
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    throw unreadable(cause instanceof Error ? cause.message : "unreadable");
  }
}

/** What kubectl applies is JSON under YAML's name, which JSON's own parser reads at a hundred times the speed. */
function jsonOf(text: string): unknown {
  if (!/^\s*\{/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * As the library's parseDocument, but done at the first error that the syntax shows: a text of nothing but errors would
 * take it minutes. Three megabytes may be millions of tokens too, and everybody else waits meanwhile.
 */
function parseBounded(text: string): Document.Parsed {
  const parser = new Parser();
  const parts: CST.Token[] = [];
  let lexemes = 0;
  let references = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (lexeme.startsWith("*") || lexeme.startsWith("&")) references++;
    if (++lexemes > MAX_LEXEMES || references > MAX_REFERENCES) throw unreadable("document contains too many tokens");
    for (const part of parser.next(lexeme)) keep(parts, part, text);
  }
  for (const part of parser.end()) keep(parts, part, text);
  // Whatever follows the first document is not read.
  const [document] = new Composer(OPTIONS).compose(parts, true, text.length);
  const error = document?.errors[0];
  if (error) throw unreadable(reasonOf(error, text));
  if (!document) throw unreadable("there is no document");
  return document;
}

const MAX_LEXEMES = 300_000;
/** Each alias looks through all anchors before it. */
const MAX_REFERENCES = 5_000;

function keep(parts: CST.Token[], part: CST.Token, text: string): void {
  if (part.type === "error") throw unreadable(placed(text, part.offset, part.message));
  parts.push(part);
}

function unreadable(why: string): ApiError {
  return badRequest(`yaml: ${why}`);
}

/** Upstream tells no line of what is on the first. */
function placed(text: string, offset: number, why: string): string {
  const line = lineAt(text, offset);
  return line > 1 ? `line ${line}: ${why}` : why;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: YAML allows none of these, and the parser lets them pass.
const CONTROL_CHARACTER = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

function reasonOf(error: Error & { readonly pos?: readonly [number, number] }, text: string): string {
  // The parser recurses and turns the engine's own limit into an error of the document.
  if (error.message.startsWith("Maximum call stack size exceeded")) return "exceeded max depth";
  const said = error.message.split("\n")[0] ?? "";
  const known = GO_WORDS.find(([pattern]) => pattern.test(said));
  return placed(text, error.pos?.[0] ?? 0, known ? said.replace(...known) : said);
}

/** What Go's parser says where ours says the other. */
const GO_WORDS: readonly (readonly [RegExp, string])[] = [
  [/^Tabs are not allowed as indentation.*/, "found a tab character that violates indentation"],
  [/^Nested mappings are not allowed.*/, "mapping values are not allowed in this context"],
  [/^Plain value cannot start with .*/, "found character that cannot start any token"],
  [/^Missing closing .*/, "found unexpected end of stream"],
  [/^Unresolved alias .*: (.*)$/, "unknown anchor '$1' referenced"],
  [/^Flow sequence .*/, "did not find expected ',' or ']'"],
  [/^Flow map .*/, "did not find expected ',' or '}'"],
];

/** Known before the parser spends seconds on it. Brackets inside texts count too, but nobody leaves so many open. */
function nestsTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length && depth <= MAX_OPEN_BRACKETS; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) depth++;
    else if (code === 0x5d || code === 0x7d) depth--;
  }
  return depth > MAX_OPEN_BRACKETS;
}

/** As deep as upstream's parser goes. */
const MAX_OPEN_BRACKETS = 10_000;

/** What is said twice in the same mapping (the last one wins), for those who want to know. None for JSON. */
export function duplicateKeys(text: string): string[] {
  const found: string[] = [];
  if (jsonOf(text) !== undefined) return found;
  visit(parseBounded(text), {
    Map(_key, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        const name = isScalar(key) ? String(key.value) : "";
        if (name !== "" && seen.has(name)) {
          const line = lineAt(text, (isScalar(key) && key.range?.[0]) || 0);
          found.push(`line ${line}: key ${JSON.stringify(name)} already set in map`);
        }
        seen.add(name);
      }
      // As many as upstream tells.
      return found.length < 8 ? undefined : visit.BREAK;
    },
  });
  return found;
}

/** What upstream's parser does not know: such values stay text, as they are in JSON. */
const FOREIGN_TAGS = /:(timestamp|binary|set|omap|pairs)$/;

const OPTIONS: DocumentOptions & SchemaOptions & ParseOptions = {
  version: "1.1",
  schema: "yaml-1.1",
  // Numbers to base 60 (`1:30`) stay text as well.
  customTags: (tags) =>
    tags.filter((tag) => typeof tag === "string" || (!FOREIGN_TAGS.test(tag.tag) && tag.format !== "TIME")),
  merge: true,
  // Duplicate keys are an error of their own in strict mode, so the parser lets the last one win.
  uniqueKeys: false,
  // Each error would copy the line that it is on, and one line may hold a million.
  prettyErrors: false,
};

/** The library counts an alias with all that it stands for, which bounds what aliases of aliases grow into. */
const MAX_ALIASES = 100;

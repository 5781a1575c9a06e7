// YAML bodies as upstream reads them (YAML 1.1 words, then JSON types) and YAML answers.
import { badRequest } from "@skiff/api/errors.ts";
import {
  type DocumentOptions,
  isScalar,
  type ParseOptions,
  parseDocument,
  type SchemaOptions,
  stringify,
  visit,
} from "yaml";

/** The value of one document. Aliases and depth are bounded, for a few bytes must not become gigabytes. */
export function parseYaml(text: string): unknown {
  if (nestsTooDeep(text)) throw badRequest("error converting YAML to JSON: yaml: exceeded max depth");
  const document = parseDocument(text, OPTIONS);
  const [error] = document.errors;
  if (error) throw badRequest(`error converting YAML to JSON: yaml: ${reasonOf(error)}`);
  try {
    return document.toJS({ maxAliasCount: MAX_ALIASES });
  } catch (cause) {
    throw badRequest(`error converting YAML to JSON: yaml: ${cause instanceof Error ? cause.message : "unreadable"}`);
  }
}

function reasonOf(error: Error): string {
  // The parser recurses and turns the engine's own limit into an error of the document.
  if (error.message.startsWith("Maximum call stack size exceeded")) return "exceeded max depth";
  return error.message.split("\n")[0] ?? "";
}

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

const MAX_OPEN_BRACKETS = 10_000;

/** What is said twice in the same mapping (the last one wins), for those who want to know. */
export function duplicateKeys(text: string): string[] {
  const found: string[] = [];
  visit(parseDocument(text, OPTIONS), {
    Map(_key, map) {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        const name = isScalar(key) ? String(key.value) : "";
        if (name !== "" && seen.has(name)) found.push(`yaml: key ${JSON.stringify(name)} already set in map`);
        seen.add(name);
      }
      // As many as upstream tells.
      return found.length < 8 ? undefined : visit.BREAK;
    },
  });
  return found;
}

export function formatYaml(value: unknown): string {
  // Words that YAML 1.1 readers would take for booleans are quoted by the 1.1 schema.
  return stringify(value, { version: "1.1", aliasDuplicateObjects: false, lineWidth: 0 });
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
};

const MAX_ALIASES = 100;

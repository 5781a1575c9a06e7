// YAML bodies as upstream reads them (YAML 1.1 words, then JSON types) and YAML answers.
import { badRequest } from "@skiff/api/errors.ts";
import { type DocumentOptions, type ParseOptions, parseDocument, type SchemaOptions, stringify } from "yaml";

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

/** What is said twice in the same mapping, as far as the parser tells: for those who do not want the last to win. */
export function duplicateKeys(text: string): string[] {
  const { errors } = parseDocument(text, { ...OPTIONS, uniqueKeys: true });
  return errors
    .filter((error) => error.code === "DUPLICATE_KEY")
    .map((error) => `yaml: ${error.message.split("\n")[0]}`);
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

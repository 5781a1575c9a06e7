// Turns parsed JSON into an object of a known type: checks every value, drops what the type does not know and brings
// times, quantities and bytes into their canonical form. The result shares nothing with the input.
import { DecodeError, type DecodeState } from "./decode-state.ts";
import { ApiError } from "./errors.ts";
import { goPackageOf, kindOf } from "./go-names.ts";
import { hasNoDuplicates, MAX_STRICT_ERRORS, scanJson } from "./json-syntax.ts";
import type { KubeObject } from "./object.ts";
import { walkerOf } from "./walker.ts";

export { DecodeError };

/** How a request wants its unknown fields treated. */
export interface DecodeOptions {
  /** Unknown and duplicate fields are an error, as with `fieldValidation=Strict`. */
  readonly strict: boolean;
  /** What `parseJson` found, for the same error message. */
  readonly duplicateFields?: readonly string[];
  /** Other errors of the body, told before these. */
  readonly problems?: readonly string[];
}

/** The canonical object and what was lost on the way to it. */
export interface Decoded<T> {
  readonly object: T;
  /** `spec.foo`: what was dropped, for a warning `unknown field "spec.foo"`. */
  readonly unknownFields: string[];
}

/**
 * `model` names the type (`Pod`). Throws ApiError 400 in upstream's words; its `cause` is the DecodeError. What the type does not
 * know is dropped and told, as upstream does by default: an error only where `strict` asks for it.
 */
export function decode<T = KubeObject>(model: string, value: unknown, options: DecodeOptions): Decoded<T> {
  const state: DecodeState = { path: [], unknownFields: [] };
  const object = walk(model, value, state);
  if (options.strict) {
    const own = strictProblems(options.duplicateFields ?? [], state.unknownFields);
    const problems = [...(options.problems ?? []), ...own];
    if (problems.length > 0) throw cannotHandle(model, value, `strict decoding error: ${problems.join(", ")}`);
  }
  return { object: object as T, unknownFields: state.unknownFields };
}

/** `duplicate field "a"`, `unknown field "b"`: the texts of warnings and of the strict error. */
export function strictProblems(duplicateFields: readonly string[], unknownFields: readonly string[]): string[] {
  return [
    ...duplicateFields.map((field) => `duplicate field ${JSON.stringify(field)}`),
    ...unknownFields.map((field) => `unknown field ${JSON.stringify(field)}`),
  ].slice(0, MAX_STRICT_ERRORS);
}

/** A document, and the keys that stand in it more than once: the last of each counts. */
export interface ParsedJson {
  readonly value: unknown;
  readonly duplicateFields: readonly string[];
}

/** For requests that ask for field validation: parses and looks for duplicate keys, which JSON.parse alone does not tell. Throws ApiError 400. */
export function parseJson(text: string): ParsedJson {
  const value = parseJsonFast(text);
  if (hasNoDuplicates(text, value)) return { value, duplicateFields: NO_FIELDS };
  const { duplicateFields, syntaxError } = scanJson(text);
  if (syntaxError !== undefined) throw notJson(syntaxError);
  return { value, duplicateFields };
}

const NO_FIELDS: readonly string[] = Object.freeze([]);

/** Parses; a syntax error becomes ApiError 400 with the words of upstream's parser. */
export function parseJsonFast(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    // Read again only now: our scanner is slower, and V8's words are not upstream's.
    const why = scanJson(text).syntaxError ?? (error instanceof Error ? error.message : "invalid JSON");
    throw notJson(why);
  }
}

function notJson(why: string): ApiError {
  const message = `couldn't get version/kind; json parse error: ${why}`;
  return new ApiError(400, "BadRequest", message, undefined, { cause: new DecodeError(why) });
}

function walk(model: string, value: unknown, state: DecodeState): unknown {
  try {
    return walkerOf(model)(value, state);
  } catch (error) {
    if (error instanceof DecodeError) throw cannotHandle(model, value, error.message, error);
    throw error;
  }
}

/** `Pod in version "v1" cannot be handled as a Pod: …`. */
function cannotHandle(model: string, value: unknown, why: string, cause = new DecodeError(why)): ApiError {
  const kind = kindOf(model);
  const said = readTypeMeta(value);
  const version = said.apiVersion?.split("/").at(-1) ?? goPackageOf(model);
  const message = `${said.kind ?? kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${why}`;
  return new ApiError(400, "BadRequest", message, undefined, { cause });
}

function readTypeMeta(value: unknown): { apiVersion?: string; kind?: string } {
  if (typeof value !== "object" || value === null) return {};
  const { apiVersion, kind } = value as { apiVersion?: unknown; kind?: unknown };
  return {
    ...(typeof apiVersion === "string" && apiVersion ? { apiVersion } : {}),
    ...(typeof kind === "string" && kind ? { kind } : {}),
  };
}

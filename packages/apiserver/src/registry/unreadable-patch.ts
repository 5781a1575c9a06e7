// Upstream's answers when a patch makes something that is no object of the kind: 422 about the patch, not 400.
import { DecodeError } from "@skiff/api/decode.ts";
import { ApiError } from "@skiff/api/errors.ts";
import { formatGo } from "@skiff/api/patches/patch-error.ts";

/** JSON and merge patches: the answer shows the whole document that came out. */
export function unreadableDocument(error: unknown, document: unknown): unknown {
  return isUnreadable(error) ? invalidPatch(JSON.stringify(document), error.cause.message) : error;
}

/** Strategic merge patches: the answer shows the patch, in Go's words. */
export function unreadablePatch(error: unknown, patch: object): unknown {
  return isUnreadable(error) ? invalidPatch(formatGo(patch), inConverterWords(error.cause.message)) : error;
}

function isUnreadable(error: unknown): error is ApiError & { readonly cause: DecodeError } {
  return error instanceof ApiError && error.cause instanceof DecodeError;
}

function invalidPatch(value: string, detail: string): ApiError {
  const message = `Invalid value: ${JSON.stringify(value)}: ${detail}`;
  const causes = [{ reason: "FieldValueInvalid", message, field: "patch" }];
  return new ApiError(422, "Invalid", ` "" is invalid: patch: ${message}`, { causes });
}

/** Here upstream does not read JSON but converts a map, which words mismatches in its own way. */
function inConverterWords(text: string): string {
  const found = /^json: cannot unmarshal (\w+).* of type (\S+)$/.exec(text);
  if (!found) return text;
  const [, kind = "", type = ""] = found;
  const from = KINDS[kind] ?? kind;
  if (type.startsWith("[]")) return `cannot restore slice from ${from}`;
  if (type.startsWith("map[")) return `cannot restore map from ${from}`;
  if (type.includes(".")) return `cannot restore struct from: ${from}`;
  return `unrecognized type: ${type}`;
}

/** JSON's names of values → Go's. */
const KINDS: Readonly<Record<string, string>> = { array: "slice", object: "map", number: "int64" };

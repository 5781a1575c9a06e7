// The ways in which a patch can be refused, in upstream's words.
import { ApiError, badRequest } from "../errors.ts";
import { isPlainObject } from "../plain-object.ts";

/** 400: deeper than any object, and than recursion should go. */
export const tooDeep = () => badRequest("exceeded max depth");

/** Recursion over documents stops there; far beyond any real object. */
export const MAX_PATCH_DEPTH = 500;

/** Upstream gives these errors of strategic merge no status of their own, so clients see a 500 without a reason. */
export function unclassified(message: string): ApiError {
  return new ApiError(500, "", message);
}

/** 400: a directive of strategic merge, such as `$retainKeys`, is not of the form it must have. */
export const badPatchFormat = (what: string) => badRequest(`invalid patch format of ${what}`);

/** An element of a list that merges by key has to say which one it is. */
export function noMergeKey(element: unknown, key: string): ApiError {
  return unclassified(`map: ${formatGo(element)} does not contain declared merge key: ${key}`);
}

/** A `$patch` that is none of the words known in its place. */
export function unknownDirective(directive: unknown, element: unknown): ApiError {
  return unclassified(`unknown patch type: ${formatGo(directive)} in map: ${formatGo(element)}`);
}

/** What Go's JSON decoder calls a value. */
export function describeJson(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (value === null) return "null";
  return typeof value === "boolean" ? "bool" : typeof value;
}

/** A value as Go prints it: `map[image:web name:c]`, keys sorted. */
export function formatGo(value: unknown, depth = 0): string {
  if (value === null || value === undefined) return "<nil>";
  if (depth > MAX_PATCH_DEPTH) return "...";
  if (Array.isArray(value)) return `[${value.map((item) => formatGo(item, depth + 1)).join(" ")}]`;
  if (!isPlainObject(value)) return String(value);
  const members = Object.keys(value).sort();
  return `map[${members.map((key) => `${key}:${formatGo(value[key], depth + 1)}`).join(" ")}]`;
}

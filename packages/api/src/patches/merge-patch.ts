// JSON Merge Patch (RFC 7386): objects merge, null removes, everything else replaces.
import { badRequest } from "../errors.ts";
import { getOwn, isPlainObject, type PlainObject, setOwn } from "../plain-object.ts";
import { MAX_PATCH_DEPTH, tooDeep } from "./patch-error.ts";

/** Returns a new document, which may share parts with both arguments. Throws ApiError 400. */
export function applyMergePatch(doc: unknown, patch: unknown): PlainObject {
  if (!isPlainObject(patch)) throw badRequest("Invalid JSON Patch");
  return merge(doc, patch, 0);
}

function merge(target: unknown, patch: PlainObject, depth: number): PlainObject {
  if (depth > MAX_PATCH_DEPTH) throw tooDeep();
  const out: PlainObject = isPlainObject(target) ? { ...target } : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    // Below a key that is new, nulls still remove: a patch never brings one in.
    if (value === null) delete out[key];
    else setOwn(out, key, isPlainObject(value) ? merge(getOwn(out, key), value, depth + 1) : value);
  }
  return out;
}

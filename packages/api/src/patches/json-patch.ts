// JSON Patch (RFC 6902): a list of operations, all of which apply or none.
import jsonPatch, { type Operation } from "fast-json-patch";
import { ApiError, badRequest } from "../errors.ts";
import { copyJson, isPlainObject } from "../plain-object.ts";
import { describeJson, MAX_PATCH_DEPTH, tooDeep } from "./patch-error.ts";

/** Upstream's bounds: operations in one patch, and bytes that `copy` operations may add up to. */
const MAX_OPERATIONS = 10_000;
const MAX_COPIED_BYTES = 3 * 1024 * 1024;

/** Returns a new document. Throws ApiError 400 (no patch), 413 (too long) or 422 (does not apply). */
export function applyJsonPatch(doc: unknown, patch: unknown): unknown {
  const operations = checkPatch(patch);
  let current: unknown = copyJson(doc, MAX_PATCH_DEPTH, tooDeep);
  let copiedBytes = 0;
  for (const [index, operation] of operations.entries()) {
    try {
      if (operation.op === "copy") copiedBytes += sizeAt(current, operation.from);
      // A patch that copies a copy over and over would double the document each time.
      if (copiedBytes > MAX_COPIED_BYTES) throw new Error("the copied values are too large");
      current = applyOne(current, operation, index);
    } catch (cause) {
      throw notApplicable(cause);
    }
  }
  return current;
}

/** The library copies what a move's value replaces or, in a list, only pushes aside: ten thousand moves would copy it as often. */
function applyOne(doc: unknown, operation: Operation, index: number): unknown {
  const apply = (one: Operation) => jsonPatch.applyOperation(doc, one, true, true, true, index);
  if (operation.op !== "move") return apply(operation).newDocument;
  const { from, path } = operation;
  if (typeof from !== "string" || `${path}/`.startsWith(`${from}/`)) return apply(operation).newDocument;
  const value: unknown = apply({ op: "remove", path: from }).removed;
  if (value === undefined) throw new Error(`nothing at ${from}`);
  return apply({ op: "add", path, value }).newDocument;
}

function checkPatch(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) {
    throw badRequest(`json: cannot unmarshal ${describeJson(patch)} into Go value of type jsonpatch.Patch`);
  }
  if (patch.length > MAX_OPERATIONS) {
    const limit = `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`;
    throw new ApiError(413, "RequestEntityTooLarge", `Request entity too large: ${limit}`);
  }
  for (const operation of patch) {
    if (!isPlainObject(operation)) {
      throw badRequest(`json: cannot unmarshal ${describeJson(operation)} into Go value of type jsonpatch.Operation`);
    }
  }
  // Each operation's members are checked as it is applied, so that its error counts as one of applying. The copy keeps
  // later operations from changing the values of earlier ones: a patch may be applied again to a newer state.
  return copyJson(patch, MAX_PATCH_DEPTH, tooDeep) as Operation[];
}

function sizeAt(doc: unknown, pointer: string): number {
  return JSON.stringify(jsonPatch.getValueByPointer(doc, pointer))?.length ?? 0;
}

// Upstream keeps the cause to itself: a failed `test` and a missing path read the same.
function notApplicable(cause: unknown): ApiError {
  const message = "the server rejected our request due to an error in our request";
  return new ApiError(422, "Invalid", message, {}, { cause });
}

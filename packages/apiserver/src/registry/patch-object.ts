// PATCH bodies: which kind of patch, and how it turns the present object into the next.

import { parseJsonFast } from "@skiff/api/decode.ts";
import { ApiError, badRequest, unsupportedMediaType } from "@skiff/api/errors.ts";
import { applyJsonPatch } from "@skiff/api/patches/json-patch.ts";
import { applyMergePatch } from "@skiff/api/patches/merge-patch.ts";
import { applyStrategicMerge } from "@skiff/api/patches/strategic-merge.ts";
import type { Exchange } from "../http/exchange.ts";
import { mediaTypeOf } from "../http/read-body.ts";

/** Applies the request's patch to a document; made once per request, called once per state it meets. */
export type Patch = (document: object) => unknown;

const PATCH_TYPES = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
] as const;

/** Throws 415 for other content types and 400 for bodies that are no patch. */
export async function readPatch(exchange: Exchange, model: string): Promise<Patch> {
  const type = mediaTypeOf(exchange.raw.headers["content-type"]);
  if (!PATCH_TYPES.some((known) => known === type)) throw unsupportedMediaType(PATCH_TYPES);
  const text = (await exchange.readBytes()).toString("utf8");
  const patch = parsePatch(text);
  if (type === "application/json-patch+json") return jsonPatch(patch);
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
    throw badRequest("error decoding patch: the patch must be an object");
  }
  if (type === "application/merge-patch+json") return (document) => applyMergePatch(document, patch);
  return (document) => refusing(() => applyStrategicMerge(model, document, patch));
}

/** Upstream answers some bad directives with 500; the fault is the client's all the same. */
function refusing<T>(apply: () => T): T {
  try {
    return apply();
  } catch (error) {
    throw error instanceof ApiError && error.code >= 500 ? badRequest(error.message) : error;
  }
}

function parsePatch(text: string): unknown {
  try {
    return parseJsonFast(text);
  } catch (error) {
    throw badRequest(`error decoding patch: ${error instanceof ApiError ? error.message : "not JSON"}`);
  }
}

function jsonPatch(patch: unknown): Patch {
  if (!Array.isArray(patch)) {
    throw badRequest("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch");
  }
  if (patch.length > MAX_OPERATIONS) {
    throw new ApiError(
      413,
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  }
  return (document) => applyJsonPatch(document, patch);
}

const MAX_OPERATIONS = 10_000;

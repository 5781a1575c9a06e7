// PATCH bodies: which kind of patch, and how it turns the present object into the next.

import { parseJsonFast } from "@skiff/api/decode.ts";
import { ApiError, badRequest, invalid, unsupportedMediaType } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { applyJsonPatch } from "@skiff/api/patches/json-patch.ts";
import { applyMergePatch } from "@skiff/api/patches/merge-patch.ts";
import { applyStrategicMerge } from "@skiff/api/patches/strategic-merge.ts";
import { forbiddenField, root } from "@skiff/api/validation/path.ts";
import type { Exchange } from "../http/exchange.ts";
import { mediaTypeOf } from "../http/read-body.ts";
import { decodeObject } from "./decode-object.ts";
import { unreadableDocument, unreadablePatch } from "./unreadable-patch.ts";

/** Made once per request. */
export interface Patch {
  /** The document as the patch makes it; called once per state that the request meets. */
  apply(document: object): unknown;
  /** What to answer when `patched` is no object of the kind. */
  unreadable(error: unknown, patched: unknown): unknown;
}

/** What a 415 offers to the client. Apply is listed too, although it never gets here. */
const PATCH_TYPES = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
] as const;

/** Throws 415 for other content types and 400 for bodies that are no patch. */
export async function readPatch(exchange: Exchange, model: string): Promise<Patch> {
  const type = mediaTypeOf(exchange.raw.headers["content-type"]);
  if (!PATCH_TYPES.some((known) => known === type)) throw unsupportedMediaType(PATCH_TYPES);
  if (exchange.query.has("force")) {
    const detail = "may not be specified for non-apply patch";
    throw invalid("meta.k8s.io", "PatchOptions", "", [forbiddenField(root("force"), detail)]);
  }
  const text = (await exchange.readBytes()).toString("utf8");
  const patch = parsePatch(text);
  await exchange.pause();
  if (type === "application/json-patch+json") return jsonPatch(patch);
  if (type === "application/strategic-merge-patch+json") return strategicMerge(patch, model);
  if (patch === null) throw badRequest("Invalid JSON Patch");
  if (!isObject(patch)) throw badRequest(`error decoding patch: ${cannotBe(patch, OBJECT)}`);
  return { apply: (document) => applyMergePatch(document, patch), unreadable: unreadableDocument };
}

function strategicMerge(patch: unknown, model: string): Patch {
  if (patch !== null && !isObject(patch)) throw badRequest(cannotBe(patch, OBJECT));
  // It is read in the type of the object, which it cannot change.
  const { kind: _kind, apiVersion: _version, ...fields } = patch ?? {};
  return {
    apply: (document) => refusing(() => applyStrategicMerge(model, document, fields)),
    unreadable: (error) => unreadablePatch(error, patch ?? {}),
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** In the words of Go's JSON reader. */
function cannotBe(value: unknown, type: string): string {
  const name = Array.isArray(value) ? "array" : typeof value === "boolean" ? "bool" : typeof value;
  return `json: cannot unmarshal ${name} into Go value of type ${type}`;
}

const OBJECT = "map[string]interface {}";

/** Decodes what a patch made; refusals tell of the patch where upstream's do. */
export function decodePatched(
  patch: Patch,
  ...[type, body, validation, warn]: Parameters<typeof decodeObject>
): KubeObject {
  try {
    return decodeObject(type, body, validation, warn);
  } catch (error) {
    throw patch.unreadable(error, body.value);
  }
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
    const { cause } = error as ApiError;
    throw badRequest(`error decoding patch: ${cause instanceof Error ? cause.message : "not JSON"}`);
  }
}

function jsonPatch(said: unknown): Patch {
  const patch: unknown = said ?? [];
  if (!Array.isArray(patch)) throw badRequest(`error decoding patch: ${cannotBe(patch, "[]handlers.jsonPatchOp")}`);
  const wrong: unknown = patch.find((operation) => operation !== null && !isObject(operation));
  if (wrong !== undefined) throw badRequest(`error decoding patch: ${cannotBe(wrong, "handlers.jsonPatchOp")}`);
  if (patch.length > MAX_OPERATIONS) {
    throw new ApiError(
      413,
      "RequestEntityTooLarge",
      `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`,
    );
  }
  return { apply: (document) => applyJsonPatch(document, patch), unreadable: unreadableDocument };
}

/** Upstream's bound: a small body of many operations could otherwise cost any amount of work. */
const MAX_OPERATIONS = 10_000;

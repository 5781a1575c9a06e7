// The body of a request to a resource that only answers: decoded, checked to be the right kind, and its field problems told.

import { decode, strictProblems } from "@skiff/api/decode.ts";
import { badRequest, methodNotAllowed } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { groupVersion } from "@skiff/api/object.ts";
import type { RequestContext } from "../http/endpoint.ts";
import { negotiate } from "../http/negotiate.ts";

/** What the body must be. */
export interface ReviewKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Name in the generated schemas. */
  readonly model: string;
}

/** Only POST is served, and no views: an answer is no object that a table could show. Throws 405 and 406. */
export async function readReview<T extends KubeObject>(context: RequestContext, kind: ReviewKind): Promise<T> {
  const { info } = context;
  if (info.verb !== "create") throw methodNotAllowed();
  negotiate(context.raw.headers, context.query, []);
  const body = await context.readBody();
  checkKind(body, kind);
  const validation = context.query.get("fieldValidation") || "Warn";
  const { object, unknownFields } = decode<T>(kind.model, body, { strict: validation === "Strict" });
  if (validation === "Warn") for (const problem of strictProblems([], unknownFields)) context.warn(problem);
  object.metadata ??= { name: "", uid: "", resourceVersion: "", creationTimestamp: "" };
  return object;
}

/** The identification that answers carry. */
export function typeMeta(kind: ReviewKind): { kind: string; apiVersion: string } {
  return { kind: kind.kind, apiVersion: groupVersion(kind.group, kind.version) };
}

/** Clients may leave the kind out; a different one is a mistake. */
function checkKind(body: unknown, kind: ReviewKind): void {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw badRequest(`the object provided is not a ${kind.kind}`);
  }
  const { apiVersion, kind: given } = body as { apiVersion?: unknown; kind?: unknown };
  const wanted = typeMeta(kind);
  if ((given && given !== wanted.kind) || (apiVersion && apiVersion !== wanted.apiVersion)) {
    const message = `${wanted.kind} in version "${kind.version}" cannot be handled as a ${wanted.kind}: the object provided is unrecognized: its apiVersion is "${String(apiVersion)}" and its kind "${String(given)}"`;
    throw badRequest(message);
  }
}

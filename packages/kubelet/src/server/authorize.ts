// Who may call the kubelet's API: each request becomes questions about the node's subresources, asked of the apiserver.
import type { IncomingMessage } from "node:http";
import type { ResourceAttributes } from "@skiff/api/types.ts";
import type { Credentials, DelegatedAuth } from "@skiff/client/delegated-auth.ts";
import { credentialsOf } from "@skiff/client/delegated-auth.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { HttpError } from "./http-error.ts";
import { BEARER_PROTOCOL, websocketProtocols } from "./streams/upgrade-head.ts";

/** The apiserver is asked by TokenReview and SubjectAccessReview; `auth` remembers answers for a while. */
export interface AuthorizeDeps {
  readonly auth: Pick<DelegatedAuth, "authorize">;
  readonly log: Logger;
}

/** Throws HttpError 401, 403, or 500 when the apiserver cannot be asked. */
export async function authorizeRequest(
  request: IncomingMessage,
  nodeName: string,
  deps: AuthorizeDeps,
  signal: AbortSignal,
): Promise<void> {
  const credentials = readCredentials(request);
  const verb = verbOf(request.method ?? "");
  const subresources = subresourcesOf(pathOf(request.url ?? "/"));
  let user = "";
  for (const subresource of subresources) {
    const resourceAttributes: ResourceAttributes = {
      verb,
      version: "v1",
      resource: "nodes",
      subresource,
      name: nodeName,
    };
    const request = { ...credentials, attributes: { resourceAttributes } };
    const verdict = await deps.auth.authorize(request, signal).catch((error) => {
      deps.log.warn({ err: error, verb, subresource }, "request could not be authorized");
      throw new HttpError(500, `Authorization error (verb=${verb}, resource=nodes, subresource=${subresource})`);
    });
    if (verdict.status === 200) return;
    if (verdict.status === 401) throw new HttpError(401, "Unauthorized");
    user = verdict.user.username ?? "";
  }
  const asked = `user=${user}, verb=${verb}, resource=nodes, subresource(s)=[${subresources.join(" ")}]`;
  throw new HttpError(403, `Forbidden (${asked})`);
}

/** HTTP method → the verb of RBAC rules. */
const VERBS: Readonly<Record<string, string>> = {
  POST: "create",
  GET: "get",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

/** "" for a method that no rule can allow. */
export function verbOf(method: string): string {
  return VERBS[method] ?? "";
}

/** Their own subresources are tried before the wide `proxy`. */
const FINE_GRAINED = [
  ["/pods", "pods"],
  ["/runningpods", "pods"],
  ["/healthz", "healthz"],
  ["/configz", "configz"],
] as const;

/** Permission for these does not follow from `proxy`. */
const EXCLUSIVE = [
  ["/stats", "stats"],
  ["/metrics", "metrics"],
  ["/logs", "log"],
  ["/checkpoint", "checkpoint"],
] as const;

/** The subresources of nodes that allow the path; permission for one of them is enough. */
export function subresourcesOf(path: string): string[] {
  const isUnder = ([root]: readonly [string, string]) => path === root || path.startsWith(`${root}/`);
  const exclusive = EXCLUSIVE.find(isUnder);
  if (exclusive) return [exclusive[1]];
  const fine = FINE_GRAINED.find(isUnder);
  return fine ? [fine[1], "proxy"] : ["proxy"];
}

/** The path as it was sent: normalising it here but not when routing would authorize another path than is served. */
export function pathOf(url: string): string {
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

/** As DelegatedAuth reads them, and the token that browsers can only send as a WebSocket subprotocol. */
function readCredentials(request: IncomingMessage): Credentials {
  const credentials = credentialsOf(request);
  if (credentials.certificate || credentials.bearerToken) return credentials;
  const protocol = websocketProtocols(request.rawHeaders).find((name) => name.startsWith(BEARER_PROTOCOL));
  if (!protocol) return credentials;
  return { bearerToken: Buffer.from(protocol.slice(BEARER_PROTOCOL.length), "base64url").toString() };
}

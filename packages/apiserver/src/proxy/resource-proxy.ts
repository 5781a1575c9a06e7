// The proxy subresource of pods, services and nodes: any HTTP request, upgrades included, to what runs there.
import type { Duplex } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import { ApiError } from "@skiff/api/errors.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Answer, RequestContext, ResourceHandler } from "../http/endpoint.ts";
import { noSuchResource } from "../http/router.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { BackendPool, BackendTarget } from "./backend.ts";
import { dialText } from "./backend.ts";
import { resolveProxyTarget } from "./proxy-target.ts";
import type { HeaderMap } from "./rebuild-headers.ts";
import { relayRequest, relayUpgrade } from "./relay.ts";
import { type LinkRewriter, linkRewriter, rewriteHtml } from "./rewrite-links.ts";

/** What targets are found and reached with. */
export interface ResourceProxyDeps {
  readonly reader: ObjectReader;
  readonly pool: BackendPool;
  readonly log: Logger;
}

/**
 * `kubectl proxy` leads here, and with it dashboards in the browser. Throws 503 in upstream's words when nobody
 * answers.
 */
export function createResourceProxyHandlers(deps: ResourceProxyDeps): ResourceHandler[] {
  return ["pods", "services", "nodes"].map((resource) => ({
    group: "",
    version: "v1",
    resource,
    subresource: "proxy",
    handle: (context) => handle(deps, context),
    async upgrade(context: RequestContext, socket: Duplex, head: Buffer) {
      const { prefix, path } = splitPath(context);
      const target = { ...(await resolveProxyTarget(deps.reader, context.info, context.signal)), path };
      const reach = (error: unknown) => unreachable(target, error);
      addForwardedHeaders(context, prefix);
      await relayUpgrade(deps.pool, context, target, { socket, head }, reach, deps.log);
    },
  }));
}

async function handle(deps: ResourceProxyDeps, context: RequestContext): Promise<Answer> {
  const { prefix, path, isBare, search } = splitPath(context);
  // Relative links of what is behind the proxy work only below a slash.
  if (isBare && (context.raw.method === "GET" || context.raw.method === "HEAD")) {
    return { code: 301, contentType: "text/plain", bytes: "", headers: { location: `${prefix}/${search}` } };
  }
  const address = await resolveProxyTarget(deps.reader, context.info, context.signal);
  const target = { ...address, path };
  const reach = (error: unknown) => unreachable(target, error);
  addForwardedHeaders(context, prefix);
  const rewrite = linkRewriter(address, prefix, hostOf(context));
  const hasBody = context.raw.method !== "HEAD";
  return relayRequest(deps.pool, context, target, reach, (headers) => rewriteAnswer(headers, rewrite, hasBody));
}

interface ProxyPath {
  /** The request's path up to and with `/proxy`. */
  readonly prefix: string;
  /** What the backend is asked for, with query. */
  readonly path: string;
  readonly isBare: boolean;
  readonly search: string;
}

/** Taken from the URL as it came: parsing would lose trailing slashes and escapes that the backend may care about. */
function splitPath({ raw }: RequestContext): ProxyPath {
  const url = raw.url ?? "/";
  const mark = url.indexOf("?");
  const path = mark < 0 ? url : url.slice(0, mark);
  const search = mark < 0 ? "" : url.slice(mark);
  const match = /^(\/+api\/+v1\/+(?:namespaces\/+[^/]+\/+(?:pods|services)|nodes)\/+[^/]+\/+proxy)(.*)$/.exec(path);
  // The older /api/v1/watch/… paths mean no proxy: a right to watch is no right to send.
  if (!match) throw noSuchResource();
  const [, prefix = path, rest = ""] = match;
  return { prefix, path: `${rest || "/"}${search}`, isBare: rest === "", search };
}

/** Lets what is behind the proxy build links to itself. */
function addForwardedHeaders(context: RequestContext, prefix: string): void {
  const host = hostOf(context);
  context.raw.rawHeaders.push("X-Forwarded-Uri", prefix, "X-Forwarded-Proto", "https");
  if (host) context.raw.rawHeaders.push("X-Forwarded-Host", host);
}

function hostOf({ raw }: RequestContext): string | undefined {
  const host = raw.headers[":authority"] ?? raw.headers.host;
  return typeof host === "string" ? host : undefined;
}

/** Changes the head of an answer, and returns what its body has to go through. */
export function rewriteAnswer(headers: HeaderMap, rewrite: LinkRewriter, hasBody: boolean): Duplex[] {
  const location = headers.location?.[0];
  if (location) headers.location = [rewrite(location)];
  const isHtml = headers["content-type"]?.[0]?.split(";")[0]?.trim().toLowerCase() === "text/html";
  const encoding = headers["content-encoding"]?.join().toLowerCase() ?? "";
  // A page in an encoding that is unknown here goes on as it is, as upstream's proxy lets it.
  if (!isHtml || !hasBody || (encoding && encoding !== "gzip")) return [];
  delete headers["content-length"];
  const page = rewriteHtml(rewrite);
  return encoding ? [createGunzip(), page, createGzip()] : [page];
}

function unreachable(target: BackendTarget, error: unknown): ApiError {
  const message = `error trying to reach service: ${dialText(error, target)}`;
  return new ApiError(503, "ServiceUnavailable", message, undefined, { cause: error });
}

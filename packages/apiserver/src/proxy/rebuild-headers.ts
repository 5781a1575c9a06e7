// Heads of requests and answers as they are passed on: without credentials, and without what belongs to one connection only.
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { BEARER_SUBPROTOCOL_PREFIX } from "../authn/bearer-token.ts";

/** Lower-case names; several values are several header lines. */
export type HeaderMap = Record<string, string[]>;

/** RFC 9110's headers of a single connection, and those that HTTP/1.1 programs treat as such. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);
/** A pod behind the proxy must not get credentials that are good for the whole API. */
const SECRET = new Set(["authorization", "cookie", "host", "expect"]);
const SECRET_PREFIXES = ["impersonate-", "x-remote-", ":"];

/** What a backend may see of a client's headers. */
export function requestHeaders(raw: IncomingMessage | Http2ServerRequest): HeaderMap {
  const headers: HeaderMap = Object.create(null);
  const ofConnection = connectionHeaders(raw);
  for (const [name, value] of pairs(raw.rawHeaders)) {
    if (ofConnection.has(name) || SECRET.has(name) || SECRET_PREFIXES.some((prefix) => name.startsWith(prefix)))
      continue;
    headers[name] = [...(headers[name] ?? []), value];
  }
  const protocols = headers["sec-websocket-protocol"];
  if (protocols) setProtocols(headers, protocols);
  addForwardedFor(headers, raw.socket?.remoteAddress);
  return headers;
}

/** What a client may see of a backend's headers. */
export function responseHeaders(raw: IncomingMessage): HeaderMap {
  const headers: HeaderMap = Object.create(null);
  const ofConnection = connectionHeaders(raw);
  for (const [name, value] of pairs(raw.rawHeaders)) {
    if (!ofConnection.has(name)) headers[name] = [...(headers[name] ?? []), value];
  }
  return headers;
}

/** One value each, as answers of this server carry them. */
export function joined(headers: HeaderMap): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, values]) => [name, values.join(", ")]));
}

/** A message may name further headers that belong to its connection. */
function connectionHeaders({ headers }: { readonly headers: IncomingMessage["headers"] }): ReadonlySet<string> {
  const named = (headers.connection ?? "").split(",").map((name) => name.trim().toLowerCase());
  return new Set([...HOP_BY_HOP, ...named.filter(Boolean)]);
}

function* pairs(rawHeaders: readonly string[]): Generator<[string, string]> {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    yield [(rawHeaders[i] ?? "").toLowerCase(), rawHeaders[i + 1] ?? ""];
}

/** A browser's token travels as a subprotocol, and is nobody else's business. */
function setProtocols(headers: HeaderMap, values: readonly string[]): void {
  const kept = values
    .flatMap((value) => value.split(","))
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol && !protocol.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  if (kept.length > 0) headers["sec-websocket-protocol"] = [kept.join(", ")];
  else delete headers["sec-websocket-protocol"];
}

function addForwardedFor(headers: HeaderMap, address: string | undefined): void {
  if (address) headers["x-forwarded-for"] = [[...(headers["x-forwarded-for"] ?? []), address].join(", ")];
}

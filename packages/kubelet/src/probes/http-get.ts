// One HTTP request as probes and lifecycle hooks make it: no proxy, no keep-alive, any certificate, bounded body.

import type { IncomingMessage } from "node:http";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Container } from "@skiff/api/types.ts";

/** As the API has it, with the port already a number. `scheme` is HTTP where absent. */
export interface HttpAction {
  readonly host: string;
  readonly port: number;
  readonly path?: string | undefined;
  readonly scheme?: string | undefined;
  readonly httpHeaders?: readonly { name: string; value: string }[] | undefined;
  /** Servers tell probes from users by it, so a probe's where absent. */
  readonly userAgent?: string;
}

/** Whatever the status: judging it is the caller's. `body` is cut at 10 KiB. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** Upstream reads no more of an answer than this. */
const MAX_BODY_BYTES = 10 * 1024;
const MAX_REDIRECTS = 10;

/** Follows redirects that stay on the host; one that leaves it is an answer by itself. */
export async function httpGet(action: HttpAction, timeoutMs: number, signal?: AbortSignal): Promise<HttpAnswer> {
  const limit = AbortSignal.timeout(timeoutMs);
  const both = signal ? AbortSignal.any([limit, signal]) : limit;
  const scheme = (action.scheme ?? "HTTP").toLowerCase();
  const host = action.host.includes(":") ? `[${action.host}]` : action.host;
  let url = new URL(`${scheme}://${host}:${action.port}${slashed(action.path ?? "/")}`);
  for (let hop = 0; hop < MAX_REDIRECTS; hop++) {
    const response = await send(url, action, both).catch((error) => {
      throw describe(error, url, limit);
    });
    const location = response.headers.location;
    const status = response.statusCode ?? 0;
    const next = status >= 300 && status < 400 && location ? new URL(location, url) : undefined;
    // A container that redirects elsewhere must not make the kubelet ask others on its behalf.
    if (!next || next.hostname !== url.hostname) return { status, body: await readBody(response) };
    response.resume();
    url = next;
  }
  throw new Error(`Get "${url}": stopped after ${MAX_REDIRECTS} redirects`);
}

function slashed(path: string): string {
  return path.startsWith("/") ? path : `/${path}`;
}

function send(url: URL, action: HttpAction, signal: AbortSignal): Promise<IncomingMessage> {
  const { userAgent = "kube-probe/1.36" } = action;
  // One without Accept gets */*, as upstream.
  const headers: Record<string, string> = { "User-Agent": userAgent, Accept: "*/*", Connection: "close" };
  for (const { name, value } of action.httpHeaders ?? []) {
    const known = Object.keys(headers).find((header) => header.toLowerCase() === name.toLowerCase());
    if (known) delete headers[known];
    // An empty Accept means: send none.
    if (!(name.toLowerCase() === "accept" && value === "")) headers[name] = value;
  }
  return new Promise((resolve, reject) => {
    const options = { method: "GET", headers, agent: false as const, signal };
    const request =
      url.protocol === "https:"
        ? httpsRequest(url, { ...options, rejectUnauthorized: false }, resolve)
        : httpRequest(url, options, resolve);
    request.on("error", reject);
    request.end();
  });
}

/** Stops reading at the limit: an endless answer must not hold the probe, or fill the kubelet. */
async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size >= MAX_BODY_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MAX_BODY_BYTES).toString("utf8");
}

/** In the words of Go's client, which users search for. */
function describe(error: unknown, url: URL, limit: AbortSignal): Error {
  if (limit.aborted) {
    return new Error(`Get "${url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, {
      cause: error,
    });
  }
  // Default ports vanish from a URL, but Go names them.
  return new Error(
    `Get "${url}": ${dialError(error, url.hostname, Number(url.port || (url.protocol === "https:" ? 443 : 80)))}`,
    { cause: error },
  );
}

/** Node's error codes → Go's words. */
const REASONS: Record<string, string> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "i/o timeout",
};

/** What OpenSSL makes of the letters HTTP, where it expects a version and a length. */
const NOT_TLS = /wrong version number|packet length too long/;
const PLAIN_ANSWER = "http: server gave HTTP response to HTTPS client";

/** Whether a server was asked by TLS and answered without. */
export function isPlainAnswer(error: unknown): boolean {
  return error instanceof Error && error.message.endsWith(PLAIN_ANSWER);
}

/** A failed connection in Go's words. */
export function dialError(error: unknown, host: string, port: number): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "EPROTO" && NOT_TLS.test((error as Error).message)) return PLAIN_ANSWER;
  if (code === "ECONNRESET") return "read: connection reset by peer";
  const reason = REASONS[code];
  return reason ? `dial tcp ${host}:${port}: ${reason}` : error instanceof Error ? error.message : String(error);
}

/** The number behind a port that may be given by name; throws for a name that the container has not. */
export function probePort(port: string | number, container: Pick<Container, "name" | "ports">): number {
  const number = Number(port);
  if (Number.isInteger(number)) {
    if (number > 0 && number < 65_536) return number;
    throw new Error(`invalid port number: ${number}`);
  }
  const named = container.ports?.find((candidate) => candidate.name === port);
  if (!named) throw new Error(`couldn't find port: ${port} in container ${container.name}`);
  return named.containerPort;
}

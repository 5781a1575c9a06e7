// Passes one request on and its answer back: plain answers as streams, upgraded connections byte for byte.
import { type Duplex, pipeline, type Readable } from "node:stream";
import { badRequest } from "@skiff/api/errors.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Answer, RequestContext } from "../http/endpoint.ts";
import { hasBody } from "../http/read-body.ts";
import type { BackendAnswer, BackendPool, BackendTarget } from "./backend.ts";
import type { HeaderMap } from "./rebuild-headers.ts";
import { joined, requestHeaders, responseHeaders } from "./rebuild-headers.ts";

/** Wraps a failure to reach the backend into what the client should see. */
export type ReachError = (error: unknown) => Error;

/** The backend's answer whatever its status, streamed. `adjust` may change the headers, and names what the body goes through. */
export async function relayRequest(
  pool: BackendPool,
  context: RequestContext,
  target: BackendTarget,
  reachError: ReachError,
  adjust: (headers: HeaderMap) => readonly Duplex[] = () => [],
): Promise<Answer> {
  const { raw, signal } = context;
  const method = raw.method ?? "GET";
  // Whatever the method: a length that is passed on without its bytes would make the backend take the next request of this
  // connection, which may be somebody else's, for the body.
  const request = { method, headers: requestHeaders(raw), body: hasBody(raw) ? raw : undefined, signal };
  const answer = await pool.send(target, request).catch((error: unknown) => {
    throw reachError(error);
  });
  if (answer.kind === "upgraded") {
    answer.socket.destroy();
    throw badRequest("the backend switched protocols without being asked to");
  }
  const headers = responseHeaders(answer.response);
  const steps = adjust(headers);
  const contentType = headers["content-type"]?.[0] ?? "application/octet-stream";
  return {
    code: answer.response.statusCode ?? 502,
    contentType,
    stream: throughAll(answer.response, steps),
    live: true,
    headers: { ...joined(headers), "content-type": contentType },
  };
}

function throughAll(body: Readable, steps: readonly Duplex[]): Readable {
  const last = steps.at(-1);
  if (!last) return body;
  // A failure anywhere destroys all of them, the last one too, whose reader is told.
  pipeline([body, ...steps], () => {});
  return last;
}

/** Connects the client's socket with the backend's once that has switched protocols; otherwise relays its refusal whole. */
export async function relayUpgrade(
  pool: BackendPool,
  context: RequestContext,
  target: BackendTarget,
  client: { readonly socket: Duplex; readonly head: Buffer },
  reachError: ReachError,
  log: Logger,
): Promise<void> {
  const { raw, signal } = context;
  const upgrade = raw.headers.upgrade;
  if (!upgrade) throw badRequest("Upgrade request required");
  const { "content-length": _, ...kept } = requestHeaders(raw);
  const headers = { ...kept, connection: ["Upgrade"], upgrade: [upgrade] };
  const request = { method: raw.method ?? "GET", headers, signal };
  const answer = await pool.send(target, request).catch((error: unknown) => {
    throw reachError(error);
  });
  // Without the query, which holds the command with whatever secrets are in it.
  log.debug({ path: target.path.split("?", 1)[0], code: answer.response.statusCode }, "backend answered an upgrade");
  if (client.socket.destroyed) return void closeBackend(answer);
  if (answer.kind === "upgraded") joinSockets(client, answer);
  else relayRefusal(client.socket, answer);
}

function closeBackend(answer: BackendAnswer): void {
  if (answer.kind === "upgraded") answer.socket.destroy();
  else answer.response.destroy();
}

function joinSockets(
  client: { readonly socket: Duplex; readonly head: Buffer },
  backend: Extract<BackendAnswer, { kind: "upgraded" }>,
): void {
  const { response, socket } = backend;
  const headers = { ...responseHeaders(response), connection: ["Upgrade"] };
  const upgrade = response.headers.upgrade;
  // Only now is the client told: until the backend switches it must be able to get an ordinary error.
  client.socket.write(headText(101, "Switching Protocols", upgrade ? { ...headers, upgrade: [upgrade] } : headers));
  if (backend.head.length > 0) client.socket.write(backend.head);
  if (client.head.length > 0) socket.write(client.head);
  for (const end of [client.socket, socket]) prepareForStreaming(end);
  // One side's failure is the other's end; a half-closed side may still get what is on its way.
  client.socket.on("error", () => socket.destroy());
  socket.on("error", () => client.socket.destroy());
  client.socket.once("close", () => socket.destroy());
  socket.once("close", () => client.socket.end());
  client.socket.pipe(socket);
  socket.pipe(client.socket);
}

/** A shell may be silent for hours, and each key pressed should leave at once. */
function prepareForStreaming(end: Duplex): void {
  if ("setTimeout" in end && typeof end.setTimeout === "function") end.setTimeout(0);
  if ("setNoDelay" in end && typeof end.setNoDelay === "function") end.setNoDelay(true);
}

/** kubectl falls back from WebSocket to SPDY only if it can read the whole refusal, so it gets all of it before the end. */
function relayRefusal(socket: Duplex, { response }: Extract<BackendAnswer, { kind: "response" }>): void {
  const headers = responseHeaders(response);
  const text = headText(response.statusCode ?? 502, response.statusMessage ?? "", {
    ...headers,
    connection: ["close"],
  });
  socket.write(text);
  // What the client has sent meanwhile is for a stream that will not be.
  socket.resume();
  response.on("error", () => socket.destroy());
  response.pipe(socket);
}

function headText(code: number, message: string, headers: HeaderMap): string {
  const lines = Object.entries(headers).flatMap(([name, values]) => values.map((value) => `${name}: ${value}\r\n`));
  return `HTTP/1.1 ${code} ${message}\r\n${lines.join("")}\r\n`;
}

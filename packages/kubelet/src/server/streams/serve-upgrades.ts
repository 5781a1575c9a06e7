// Upgrade requests to /exec, /attach and /portForward: authorized, resolved, then joined with the runtime's stream.

import type { IncomingMessage, Server } from "node:http";
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { authorizeRequest, pathOf } from "../authorize.ts";
import type { KubeletServerDeps, KubeletServerOptions } from "../deps.ts";
import { DEBUGGING_REFUSED, HttpError } from "../http-error.ts";
import { relayUpgrade } from "./relay-upgrade.ts";
import { parseStreamTarget } from "./stream-target.ts";
import { streamingUrl } from "./streaming-url.ts";
import { answerHead, hasBody } from "./upgrade-head.ts";

type Deps = Pick<KubeletServerDeps, "pods" | "runtime" | "cri" | "auth" | "clock" | "log">;

/** Takes the server's upgrades until disposed; `stop` ends the streams that run. */
export function serveUpgrades(
  server: Pick<Server, "on" | "off">,
  options: Pick<KubeletServerOptions, "nodeName" | "hasDebuggingHandlers">,
  deps: Deps,
  stop: AbortSignal,
): Disposable {
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // A client that breaks off shows up where its stream is piped; here it must only not be thrown.
    socket.on("error", () => socket.destroy());
    serveUpgrade({ request, socket, head }, options, deps, stop).catch((error) => refuse(socket, error, deps));
  };
  server.on("upgrade", onUpgrade);
  return { [Symbol.dispose]: () => void server.off("upgrade", onUpgrade) };
}

async function serveUpgrade(
  client: { readonly request: IncomingMessage; readonly socket: Duplex; readonly head: Buffer },
  { nodeName, hasDebuggingHandlers = true }: Pick<KubeletServerOptions, "nodeName" | "hasDebuggingHandlers">,
  deps: Deps,
  stop: AbortSignal,
): Promise<void> {
  const { request } = client;
  await authorizeRequest(request, nodeName, deps, stop);
  if (!hasDebuggingHandlers) throw new HttpError(405, DEBUGGING_REFUSED);
  // What follows the head would reach the runtime as part of the stream.
  if (hasBody(request.rawHeaders)) throw new HttpError(400, "an upgrade request cannot have a body");
  const path = pathOf(request.url ?? "/");
  const query = new URLSearchParams((request.url ?? "").slice(path.length));
  const isWebSocket = request.headers.upgrade?.toLowerCase() === "websocket";
  const target = parseStreamTarget(path, query, isWebSocket);
  const pod = `${target.namespace}/${target.pod}`;
  deps.log.debug({ pod, kind: target.kind }, "stream begins");
  await relayUpgrade(client, await streamingUrl(target, deps), deps.clock, stop);
  deps.log.debug({ pod, kind: target.kind }, "stream ended");
}

/** Where the stream has begun, all that is left is to cut it. */
function refuse(socket: Duplex, error: unknown, { log }: Pick<Deps, "log">): void {
  const isExpected = error instanceof HttpError;
  if (!isExpected) log.warn({ err: error }, "stream failed");
  if (!socket.writable || !isExpected) return void socket.destroy();
  const headers = ["Content-Type", "text/plain; charset=utf-8", "X-Content-Type-Options", "nosniff"];
  const body = Buffer.from(`${error.message}\n`);
  headers.push("Content-Length", String(body.length));
  socket.write(answerHead(error.status, STATUS_CODES[error.status] ?? "", headers, true));
  // Destroyed once the answer is out: the client may never end its side.
  socket.end(body, () => socket.destroy());
}

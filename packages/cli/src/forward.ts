// Carries TCP connections from one address to another: the host's 127.0.0.1:6443 to the apiserver inside the cluster.

import type { Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { Logger } from "@skiff/component-base/logger.ts";

/** A numeric address and a port. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Listens until the signal aborts; rejects when the port cannot be had. */
export async function forwardTcp(from: Endpoint, to: Endpoint, signal: AbortSignal, log: Logger): Promise<void> {
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => join(client, to, open));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(from.port, from.host, resolve);
  });
  log.info({ from, to }, "forwarding");
  await new Promise<void>((resolve) => {
    const stop = () => resolve();
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });
  for (const socket of open) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
}

// Each direction ends on its own, as kubectl's attach and port-forward need; an error ends both.
function join(client: Socket, to: Endpoint, open: Set<Socket>): void {
  const server = connect({ ...to, allowHalfOpen: true, noDelay: true });
  for (const [socket, other] of [
    [client, server],
    [server, client],
  ] as const) {
    open.add(socket);
    socket.on("error", () => other.destroy());
    socket.on("close", () => open.delete(socket));
  }
  client.pipe(server);
  server.pipe(client);
}

/** `127.0.0.1:6443` as an endpoint. */
export function parseEndpoint(text: string): Endpoint {
  const at = text.lastIndexOf(":");
  const port = Number(text.slice(at + 1));
  if (at < 1 || !Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`"${text}" is no HOST:PORT`);
  return { host: text.slice(0, at), port };
}

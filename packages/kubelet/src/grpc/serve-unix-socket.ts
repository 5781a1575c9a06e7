// Serves gRPC on a Unix socket to clients of every kind, Go's included.
import { mkdir, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { type Duplex, duplexPair, pipeline, Transform } from "node:stream";
import type { Server } from "@grpc/grpc-js";
import { AuthorityMender } from "./authority-mender.ts";

/**
 * Serves until disposed; what lies at the path is removed before and after. The server is made for the first connection: most
 * nodes never see one, and gRPC's server takes megabytes.
 */
export async function serveUnixSocket(path: string, makeServer: () => Promise<Server>): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await rm(path, { force: true });
  let made: Promise<{ server: Server; inject: (connection: Duplex) => void }> | undefined;
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    const connection = mended(socket);
    made ??= injectable(makeServer);
    made.then(
      ({ inject }) => inject(connection),
      (error: Error) => socket.destroy(error),
    );
  });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(path, resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      listener.close();
      (await made?.catch(() => undefined))?.server.forceShutdown();
      for (const socket of sockets) socket.destroy();
      await rm(path, { force: true });
    },
  };
}

async function injectable(makeServer: () => Promise<Server>) {
  const [{ ServerCredentials }, server] = await Promise.all([import("@grpc/grpc-js"), makeServer()]);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  return { server, inject: (connection: Duplex) => injector.injectConnection(connection) };
}

/** The connection as gRPC reads it; either side's end ends the other. */
function mended(socket: Socket): Duplex {
  const mender = new AuthorityMender();
  const inward = new Transform({ transform: (chunk, _encoding, done) => done(null, mender.feed(chunk)) });
  const [near, far] = duplexPair();
  // A peer that goes away is no error of ours: the session ends with its stream.
  pipeline(socket, inward, near, socket, () => far.destroy());
  far.once("close", () => socket.destroy());
  return far;
}

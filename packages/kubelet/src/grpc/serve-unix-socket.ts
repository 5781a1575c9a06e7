// Serves gRPC on a Unix socket to clients of every kind, Go's included.
import { mkdir, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { type Duplex, duplexPair, pipeline, Transform } from "node:stream";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import { AuthorityMender } from "./authority-mender.ts";

/** Serves until disposed; what lies at the path is removed before and after. */
export async function serveUnixSocket(path: string, server: Server): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await rm(path, { force: true });
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const listener = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    injector.injectConnection(mended(socket));
  });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(path, resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      listener.close();
      server.forceShutdown();
      for (const socket of sockets) socket.destroy();
      await rm(path, { force: true });
    },
  };
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

// A server of a test's own on loopback, whose end cuts its connections.
import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";

/** HTTP/2 servers are such servers too. `url` is without a path. */
export async function listening(server: Server): Promise<{ url: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => {})));
  await once(server.listen(0, "127.0.0.1"), "listening");
  const end = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, [Symbol.asyncDispose]: end };
}

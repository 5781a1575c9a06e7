// Watches over WebSockets, which browsers use: the same stream as ever, one message per event.
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { methodNotAllowed } from "@skiff/api/errors.ts";
import type { Exchange } from "../http/exchange.ts";
import { acceptWebSocket, readWebSocket, webSocketLines } from "../http/websocket.ts";
import type { StorageKind } from "../storage/stored-object.ts";
import { type WatchDeps, watchObjects } from "./watch-objects.ts";

/** Owns the socket once it returns. Throws ApiError before the first byte. */
export async function upgradeWatch(
  deps: WatchDeps,
  kind: StorageKind,
  exchange: Exchange,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const { raw } = exchange;
  if ("stream" in raw) throw methodNotAllowed();
  const { stream } = await watchObjects(deps, kind, exchange);
  try {
    acceptWebSocket(raw, socket);
  } catch (error) {
    stream.destroy();
    throw error;
  }
  readWebSocket(socket, head, () => stream.destroy());
  // A broken pipe is the client's way of leaving.
  void pipeline([stream, webSocketLines(), socket]).catch(() => socket.destroy());
}

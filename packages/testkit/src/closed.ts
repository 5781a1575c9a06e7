// Waits for the end of a connection, however it comes.
import type { EventEmitter } from "node:events";

/** Resolves at "close". A cut may show as an error first, at which `once` of node:events would reject; here that is part of closing. */
export function closed(connection: EventEmitter): Promise<void> {
  return new Promise((resolve) => connection.on("error", () => {}).once("close", resolve));
}

// The body of a live answer over HTTP/1.1: each chunk leaves in one write of its own.
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import type { RawResponse } from "./exchange.ts";

/** Whether `sendLiveBody` can take over: the head must be out, and the connection be this response's own. */
export function canSendLiveBody(response: RawResponse): boolean {
  return response.chunkedEncoding === true && Boolean(response.socket);
}

/**
 * Node writes a chunk in four pieces that it corks, queues and joins again, which for fifty watchers costs more than
 * encrypting the event. Here it is framed once and handed to the connection, which Node knows nothing of: so it must be
 * called right after the head, and only `end` may be called on the response afterwards. Resolves when the body has ended,
 * rejects when the client is gone.
 */
export function sendLiveBody(stream: Readable, response: RawResponse): Promise<void> {
  const socket = response.socket as Socket;
  return new Promise((resolve, reject) => {
    const resume = () => stream.resume();
    const end = (error?: Error | null) => {
      socket.off("drain", resume);
      if (error) {
        response.destroy();
        reject(error);
      } else resolve();
    };
    socket.on("drain", resume);
    stream.on("data", (chunk: Buffer) => {
      if (!socket.write(frame(chunk))) stream.pause();
    });
    stream.once("error", end);
    stream.once("end", () => response.end(() => end()));
    response.once("close", () => end(response.writableFinished ? null : CLIENT_GONE));
  });
}

const CLIENT_GONE = new Error("the client closed the connection");

/** The watchers of one event send the very same chunk one after the other, so the last one is remembered. */
function frame(chunk: Buffer): Buffer {
  if (chunk !== last.chunk) last = { chunk, framed: makeFrame(chunk) };
  return last.framed;
}

let last: { readonly chunk: Buffer; readonly framed: Buffer } = { chunk: Buffer.alloc(0), framed: Buffer.alloc(0) };

function makeFrame(chunk: Buffer): Buffer {
  const size = `${chunk.length.toString(16)}\r\n`;
  const out = Buffer.allocUnsafe(size.length + chunk.length + 2);
  out.write(size, "latin1");
  chunk.copy(out, size.length);
  out.write("\r\n", size.length + chunk.length, "latin1");
  return out;
}

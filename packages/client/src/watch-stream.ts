// A watch on the wire: one JSON document per line, decoded as the bytes come.
import { ApiError, errorFromStatus } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { Status } from "@skiff/api/types.ts";
import { ConnectionError } from "./connection-error.ts";

/** A BOOKMARK's object has a resourceVersion and nothing else that means anything; a DELETED one is the last state. */
export interface WatchEvent<T extends KubeObject> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK";
  readonly object: T;
}

/** Far above the largest object that etcd takes. */
const MAX_LINE_BYTES = 16 * 1024 * 1024;
const NEWLINE = 0x0a;

/** The events of a watch; an ERROR event is thrown as the ApiError it carries. Reads no further than it is asked to. */
export async function* decodeWatch<T extends KubeObject>(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  for await (const line of splitLines(chunks)) {
    if (line.length > 0) yield decodeEvent<T>(line);
  }
}

function decodeEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  const event = parseLine(line);
  switch (event.type) {
    case "ADDED":
    case "MODIFIED":
    case "DELETED":
    case "BOOKMARK":
      return event as WatchEvent<T>;
    case "ERROR":
      throw errorFromStatus(event.object as Status);
    default:
      throw new ApiError(500, "InternalError", `unknown type of watch event: ${event.type}`);
  }
}

function parseLine(line: string): { type: string; object: unknown } {
  try {
    return JSON.parse(line) as { type: string; object: unknown };
  } catch (error) {
    // As a broken connection: the reader resumes after the last event that it could read.
    throw new ConnectionError("watch: unreadable event", "EBADMSG", { cause: error });
  }
}

/** Lines of UTF-8 text without their newline. What is left without one at the end was cut off, and is dropped. */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes = MAX_LINE_BYTES,
): AsyncGenerator<string, void, undefined> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      parts.push(chunk.subarray(start, end));
      yield Buffer.concat(parts).toString("utf8");
      parts = [];
      size = 0;
      start = end + 1;
    }
    // Decoded when the line is whole: a character may be split between two chunks.
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > maxLineBytes) throw new ConnectionError(`watch: an event exceeds ${maxLineBytes} bytes`, "EMSGSIZE");
  }
}

// Watch events on the wire: shared bytes for plain JSON, made to order for Tables and partial metadata.
import type { ApiError } from "@skiff/api/errors.ts";
import { groupVersion } from "@skiff/api/object.ts";
import { type CacheEvent, type EventType, frameOf } from "../storage/cache-event.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import { bookmarkCells, bookmarkMeta, bookmarkObject } from "./bookmark-object.ts";
import { partialBytes, type RowOptions, rowBytes } from "./encode-table.ts";
import { META_GROUP, tableHead } from "./views.ts";

/** Frames of `{"type":…,"object":…}` with a newline at the end, which is where clients cut the stream. */
export interface EventEncoder {
  change(event: CacheEvent, type: EventType): Buffer;
  /** In pieces, for the state that a watch starts from is long and joined in chunks. */
  added(object: StoredObject): Buffer[];
  bookmark(revision: number, initialEventsEnd: boolean): Buffer;
  error(error: ApiError): Buffer;
}

const ADDED_END = Buffer.from("}\n");

function errorFrame(error: ApiError): Buffer {
  return frameOf("ERROR", JSON.stringify(error.toStatus()));
}

/** Plain objects: the frame of an event is made once, however many watch. */
export function jsonEncoder(kind: StorageKind): EventEncoder {
  return {
    change: (event, type) => event.frame(type),
    added: (object) => [...object.encodeParts('{"type":"ADDED","object":'), ADDED_END],
    bookmark: (revision, end) => frameOf("BOOKMARK", JSON.stringify(bookmarkObject(kind, revision, end))),
    error: errorFrame,
  };
}

/** `nowMs` is read per event, for ages. Only the first Table of a watch carries its columns. */
export function tableEncoder(kind: StorageKind, options: Omit<RowOptions, "nowMs">, nowMs: () => number): EventEncoder {
  let first = true;
  const encode = (type: string, row: Buffer, revision: number) => {
    const metadata = { resourceVersion: String(revision) };
    const head = `${tableHead(kind, metadata, options.version, first)}"rows":[`;
    first = false;
    return frameOf(type, Buffer.concat([Buffer.from(head), row, ROWS_END]));
  };
  const one = (type: string, object: StoredObject, revision: number) =>
    encode(type, rowBytes(kind, object, revision, { ...options, nowMs: nowMs() }), revision);
  const bookmarkRow = (revision: number, end: boolean) =>
    Buffer.from(
      JSON.stringify({ cells: bookmarkCells(kind, nowMs()), object: bookmarkIn(kind, options, revision, end) }),
    );
  return {
    change: (event, type) => one(type, bodyOf(event, type), event.revision),
    added: (object) => [one("ADDED", object, object.revision)],
    bookmark: (revision, end) => encode("BOOKMARK", bookmarkRow(revision, end), revision),
    error: errorFrame,
  };
}

const ROWS_END = Buffer.from("]}");

/** What the row of a bookmark carries. The mark of the initial state's end is told even to those who want no objects. */
function bookmarkIn(
  kind: StorageKind,
  options: Pick<RowOptions, "includeObject" | "version">,
  revision: number,
  end: boolean,
) {
  if (options.includeObject === "Object") return bookmarkObject(kind, revision, end);
  if (options.includeObject === "None" && !end) return null;
  const apiVersion = groupVersion(META_GROUP, options.version);
  return { kind: "PartialObjectMetadata", apiVersion, metadata: bookmarkMeta(revision, end) };
}

/** Objects as PartialObjectMetadata, cut out of the stored bytes. */
export function partialEncoder(version: "v1" | "v1beta1"): EventEncoder {
  const types = { kind: "PartialObjectMetadata", apiVersion: groupVersion(META_GROUP, version) };
  return {
    change: (event, type) => frameOf(type, partialBytes(bodyOf(event, type), event.revision, version)),
    added: (object) => [frameOf("ADDED", partialBytes(object, object.revision, version))],
    bookmark: (revision, end) =>
      frameOf("BOOKMARK", JSON.stringify({ ...types, metadata: bookmarkMeta(revision, end) })),
    error: errorFrame,
  };
}

/** The last body known for a deletion, the new one otherwise. */
function bodyOf(event: CacheEvent, type: EventType): StoredObject {
  const body = type === "DELETED" ? (event.previous ?? event.current) : (event.current ?? event.previous);
  if (!body) throw new Error("an event without an object");
  return body;
}

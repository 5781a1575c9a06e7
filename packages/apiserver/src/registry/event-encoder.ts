// Watch events on the wire: shared bytes for plain JSON, made to order for Tables and partial metadata.
import type { ApiError } from "@skiff/api/errors.ts";
import { groupVersion } from "@skiff/api/object.ts";
import { type CacheEvent, type EventType, frameOf } from "../storage/cache-event.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import { partialOf, tableOf, type ViewOptions } from "./views.ts";

export interface EventEncoder {
  change(event: CacheEvent, type: EventType): Buffer;
  added(object: StoredObject): Buffer;
  bookmark(revision: number, initialEventsEnd: boolean): Buffer;
  error(error: ApiError): Buffer;
}

const INITIAL_END = { "k8s.io/initial-events-end": "true" };

function errorFrame(error: ApiError): Buffer {
  return frameOf("ERROR", JSON.stringify(error.toStatus()));
}

function bookmarkMeta(revision: number, initialEventsEnd: boolean): object {
  return {
    resourceVersion: String(revision),
    creationTimestamp: null,
    ...(initialEventsEnd ? { annotations: INITIAL_END } : {}),
  };
}

export function jsonEncoder(kind: StorageKind): EventEncoder {
  const { group, version } = kind.definition;
  const types = { kind: kind.definition.kind, apiVersion: groupVersion(group, version) };
  return {
    change: (event, type) => event.frame(type),
    added: (object) => frameOf("ADDED", object.encode()),
    bookmark: (revision, end) =>
      frameOf("BOOKMARK", JSON.stringify({ ...types, metadata: bookmarkMeta(revision, end) })),
    error: errorFrame,
  };
}

/** `nowMs` is read per event, for ages. Only the first Table of a watch carries its columns. */
export function tableEncoder(
  kind: StorageKind,
  options: Omit<ViewOptions, "nowMs">,
  nowMs: () => number,
): EventEncoder {
  let first = true;
  const encode = (type: string, objects: readonly StoredObject[], metadata: object) => {
    const table = tableOf(kind, objects, metadata, { ...options, nowMs: nowMs() }, first);
    first = false;
    return frameOf(type, JSON.stringify(table));
  };
  const one = (type: string, object: StoredObject, revision: number) =>
    encode(type, [at(object, revision)], { resourceVersion: String(revision) });
  return {
    change: (event, type) => one(type, bodyOf(event, type), event.revision),
    added: (object) => one("ADDED", object, object.revision),
    bookmark: (revision, end) => encode("BOOKMARK", [], bookmarkMeta(revision, end)),
    error: errorFrame,
  };
}

export function partialEncoder(version: "v1" | "v1beta1"): EventEncoder {
  const one = (type: string, object: StoredObject, revision: number) =>
    frameOf(type, JSON.stringify(partialOf(at(object, revision).object(), version)));
  const types = { kind: "PartialObjectMetadata", apiVersion: groupVersion("meta.k8s.io", version) };
  return {
    change: (event, type) => one(type, bodyOf(event, type), event.revision),
    added: (object) => one("ADDED", object, object.revision),
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

function at(object: StoredObject, revision: number): StoredObject {
  return object.revision === revision ? object : object.withRevision(revision);
}

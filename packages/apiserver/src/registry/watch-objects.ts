// WATCH: where it starts, how long it lasts, in which form its events go out.

import { Readable } from "node:stream";
import { type ApiError, badRequest, isGone, notAcceptable } from "@skiff/api/errors.ts";
import { parseFieldSelector } from "@skiff/api/fields.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Exchange } from "../http/exchange.ts";
import { negotiate } from "../http/negotiate.ts";
import { isTrue } from "../http/parse-request-info.ts";
import type { ObjectStorage } from "../storage/object-storage.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import { type EventEncoder, jsonEncoder, partialEncoder, tableEncoder } from "./event-encoder.ts";
import { waitForRevision } from "./list-objects.ts";
import { checkWatchOptions, readCount, readRevision } from "./list-parameters.ts";
import { readSelection, type Selection } from "./selectors.ts";
import { encoderInVersion, inVersion } from "./served-version.ts";
import type { TableCells } from "./table-cells.ts";
import { readIncludeObject } from "./views.ts";
import type { WatchMetrics } from "./watch-meter.ts";
import { WatchStream } from "./watch-stream.ts";

/** What a watch reads from and how long it may last. */
export interface WatchDeps {
  readonly storage: ObjectStorage;
  readonly clock: Clock;
  readonly cells: TableCells;
  readonly watchMetrics: WatchMetrics;
  /** A watch without a timeout of its own lasts this long to twice as long. */
  readonly minRequestTimeoutMs: number;
}

/** A stream of events, one JSON text a line, which ends only with the watch. */
export interface WatchAnswer {
  readonly code: 200;
  readonly contentType: "application/json";
  readonly stream: Readable;
  readonly live: true;
}

/**
 * GET with `watch`: without a resourceVersion the present state comes first, with one only what happened after it. A
 * revision that is too old is an ERROR event with code 410. Throws 400 and 422 for bad parameters, 504 for a revision
 * of the future.
 */
export async function watchObjects(deps: WatchDeps, kind: StorageKind, exchange: Exchange): Promise<WatchAnswer> {
  const { query, info } = exchange;
  const encoder = chooseEncoder(deps, kind, exchange);
  const cache = deps.storage.cacheOf(kind);
  const selection = readSelection(kind, info, withName(query, info.name), cache.indexField);
  const bookmarks = isTrue(query.get("allowWatchBookmarks"));
  const seconds = readCount(query, "timeoutSeconds");
  // Spread over as long again, so that watches opened together at a restart do not all come back together.
  const timeoutMs = seconds > 0 ? seconds * 1000 : deps.minRequestTimeoutMs * (1 + Math.random());
  const start = await startOf(deps, kind, selection, query, bookmarks);
  // Nothing may be awaited from here on: an event between the state and the subscription would be lost.
  const plan = { ...start(), ...selection, bookmarks, timeoutMs };
  const meter = deps.watchMetrics.meter(info);
  const stream = openStream(() => new WatchStream(plan, cache, encoder, deps.clock, meter), encoder);
  if (stream instanceof WatchStream) exchange.signal.addEventListener("abort", () => stream.finish(), { once: true });
  return { code: 200, contentType: "application/json", stream, live: true };
}

/** A name in the path (the older /watch/… URLs) selects that one object, whatever else is asked for. */
function withName(query: URLSearchParams, name: string): URLSearchParams {
  if (!name) return query;
  const fields = query.get("fieldSelector") ?? "";
  if (fields === "") return new URLSearchParams([...query, ["fieldSelector", `metadata.name=${name}`]]);
  if (parseFieldSelector(fields).requiredValue("metadata.name") === name) return query;
  throw badRequest("fieldSelector metadata.name doesn't match requested name");
}

/** A revision that is too old is told as upstream does: by an ERROR event in an answer that is otherwise fine. */
function openStream(open: () => WatchStream, encoder: EventEncoder): Readable {
  try {
    return open();
  } catch (error) {
    if (isGone(error)) return Readable.from([encoder.error(error as ApiError)]);
    throw error;
  }
}

interface Start {
  readonly since: number;
  readonly initial: readonly StoredObject[];
  readonly markInitialEnd: boolean;
}

/** Waits for what the start needs; the returned function then reads it at once. */
async function startOf(
  deps: WatchDeps,
  kind: StorageKind,
  selection: Selection,
  query: URLSearchParams,
  bookmarks: boolean,
): Promise<() => Start> {
  const version = query.get("resourceVersion") ?? "";
  checkWatchOptions(query);
  const initialText = query.get("sendInitialEvents");
  // Undefined when nothing is said: then a watch without a revision starts with the present state, as ever.
  const wantsInitial = initialText === null ? undefined : isTrue(initialText);
  const cache = deps.storage.cacheOf(kind);
  const revision = version === "" ? undefined : readRevision(version);
  // Unset means the newest state; "0" means whatever the cache has.
  if (version === "") await deps.storage.fresh();
  const now = (): Start => ({ since: cache.revision, initial: [], markInitialEnd: false });
  // Streaming list: an informer gets the state as ADDED events, and a bookmark tells it that it has all of it.
  const state = (markInitialEnd: boolean) => (): Start => {
    const objects = cache.list(selection.scope);
    const initial = selection.matches ? objects.filter(selection.matches) : objects;
    return { since: cache.revision, initial, markInitialEnd };
  };
  if (wantsInitial) {
    if (revision) await waitForRevision(deps.storage, revision);
    return state(bookmarks);
  }
  if (revision) return () => ({ since: revision, initial: [], markInitialEnd: false });
  return wantsInitial === false ? now : state(false);
}

/** Events in the version of the URL, whatever version is stored. */
function chooseEncoder(deps: WatchDeps, stored: StorageKind, exchange: Exchange): EventEncoder {
  const { info } = exchange;
  const kind = inVersion(stored, info) ?? stored;
  const encoder = encoderFor(deps, kind, exchange);
  return kind === stored ? encoder : encoderInVersion(encoder, info);
}

function encoderFor(deps: WatchDeps, kind: StorageKind, exchange: Exchange): EventEncoder {
  const { query, raw } = exchange;
  const { view, media } = negotiate(raw.headers, query, ["Table", "PartialObjectMetadata"]);
  // YAML has no way to tell where an event ends, so upstream streams none either.
  if (media !== "json") throw notAcceptable(["application/json;stream=watch"]);
  if (!view) return jsonEncoder(kind);
  if (view.kind !== "Table") return partialEncoder(view.version);
  const options = { version: view.version, includeObject: readIncludeObject(query), cells: deps.cells };
  return tableEncoder(kind, options, () => deps.clock.now());
}

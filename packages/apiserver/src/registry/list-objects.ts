// LIST: which state to read (newest, at least as new as, exactly), paging, and the form of the answer.
import { ApiError } from "@skiff/api/errors.ts";
import type { Status } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { negotiate, type OutputFormat } from "../http/negotiate.ts";
import type { ObjectStorage } from "../storage/object-storage.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import { decodeContinue, encodeContinue } from "./continue-token.ts";
import { encodeList, listHead } from "./encode-list.ts";
import { encodeReadableList } from "./encode-readable-list.ts";
import { encodePartialList, encodeTable } from "./encode-table.ts";
import { checkListOptions, readCount, readRevision } from "./list-parameters.ts";
import type { ListSnapshots } from "./list-snapshots.ts";
import { readSelection, type Selection, selectObjects } from "./selectors.ts";
import { inVersion, storedInVersion } from "./served-version.ts";
import type { TableCells } from "./table-cells.ts";
import { type ListMeta, partialListOf, readIncludeObject, tableOf, type ViewOptions } from "./views.ts";

/** What a list reads from: the stored state, the snapshots that later pages are cut from, and the cells of tables. */
export interface ListDeps {
  readonly storage: ObjectStorage;
  readonly snapshots: ListSnapshots;
  readonly cells: TableCells;
  readonly clock: Clock;
}

/** What was found, at one revision. */
export interface ListResult {
  readonly objects: readonly StoredObject[];
  readonly metadata: ListMeta;
}

/**
 * Answers GET on a collection in the form that the client accepts. Throws 400 or 422 for bad parameters, 410 for a
 * revision or token that is too old, 504 for a revision that the server has not seen yet, 406 for a form that it cannot
 * give.
 */
export async function listObjects(deps: ListDeps, kind: StorageKind, exchange: Exchange): Promise<Answer> {
  const { query, info } = exchange;
  const format = negotiate(exchange.raw.headers, query, ["Table", "PartialObjectMetadataList"]);
  // Lists are bounded otherwise, but what is no number is refused all the same.
  readCount(query, "timeoutSeconds");
  const cache = deps.storage.cacheOf(kind);
  const selection = readSelection(kind, info, query, cache.indexField);
  const result = await findObjects(deps, kind, selection, query);
  return encodeResult(deps, kind, result, format, exchange);
}

/** Reads the list parameters of a query and collects one page. */
export async function findObjects(
  deps: ListDeps,
  kind: StorageKind,
  selection: Selection,
  query: URLSearchParams,
): Promise<ListResult> {
  const limit = readCount(query, "limit");
  const token = query.get("continue") ?? "";
  const version = query.get("resourceVersion") ?? "";
  const match = query.get("resourceVersionMatch") ?? "";
  checkListOptions(query);
  if (token) return await nextPage(deps, kind, selection, token, limit, version);
  // The first page of a given revision is of that revision, unless another match is asked for: so it was before one could.
  const isExact = match === "Exact" || (match === "" && limit > 0 && version !== "" && version !== "0");
  if (isExact) return await listAt(deps, kind, selection, readRevision(version), "", limit);
  const source = await stateFor(deps, kind, selection, version);
  // Upstream's cache ignores the limit of a list from whatever state it has.
  return await page(deps, kind, selection, source.objects, source.revision, version === "0" ? 0 : limit);
}

/** The objects of the scope for `resourceVersion` unset, "0" or N. */
async function stateFor(
  deps: ListDeps,
  kind: StorageKind,
  selection: Selection,
  version: string,
): Promise<{ objects: readonly StoredObject[]; revision: number }> {
  // Unset means "the newest": the cache is brought up to etcd's revision first. "0" means whatever the cache has, and a
  // number means that or anything newer, so that a client never goes back in time.
  if (version === "") return await deps.storage.list(kind, selection.scope);
  const cache = deps.storage.cacheOf(kind);
  await waitForRevision(deps.storage, readRevision(version));
  return { objects: cache.list(selection.scope), revision: cache.revision };
}

/** Throws upstream's 504 when the caches do not get there in time. */
export async function waitForRevision(storage: ObjectStorage, revision: number): Promise<void> {
  if (await storage.feed.reached(revision, FUTURE_TIMEOUT_MS)) return;
  const message = `Timeout: Too large resource version: ${revision}, current: ${storage.feed.revision}`;
  const causes = [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }];
  throw new ApiError(504, "Timeout", message, { causes, retryAfterSeconds: 1 });
}

/** As long as upstream's watch cache waits. kubectl and client-go try again after the second that the answer names. */
const FUTURE_TIMEOUT_MS = 3000;

/** Cuts one page out of the objects of a scope. */
async function page(
  deps: ListDeps,
  kind: StorageKind,
  selection: Selection,
  objects: readonly StoredObject[],
  revision: number,
  limit: number,
): Promise<ListResult> {
  const { matches } = selection;
  const metadata: ListMeta = { resourceVersion: String(revision) };
  const selected = await selectObjects(objects, selection);
  if (limit <= 0 || objects.length <= limit) return { objects: selected, metadata };
  const rest = selected.length - limit;
  const next = selected[limit];
  if (rest <= 0 || !next) return { objects: selected, metadata };
  const cache = deps.storage.cacheOf(kind);
  // The next page must be of this revision too; a snapshot saves it from asking etcd's history.
  if (cache.revision === revision) deps.snapshots.remember(cache);
  metadata.continue = encodeContinue({ revision, start: next.key });
  // With a selector the rest is not known upstream, so it is not said here either.
  if (!matches) metadata.remainingItemCount = rest;
  return { objects: selected.slice(0, limit), metadata };
}

/**
 * A token carries revision and first key. Throws 400 for one that cannot be read, and for a revision given beside it.
 */
async function nextPage(
  deps: ListDeps,
  kind: StorageKind,
  selection: Selection,
  text: string,
  limit: number,
  version: string,
): Promise<ListResult> {
  if (version !== "" && version !== "0") {
    throw new ApiError(400, "BadRequest", "specifying resource version is not allowed when using continue");
  }
  const { revision, start } = decodeContinue(text);
  // Revision −1 is of a token from an expired list: its client agreed to go on with the newest state.
  if (revision >= 0) return await listAt(deps, kind, selection, revision, start, limit);
  const state = await deps.storage.list(kind, selection.scope);
  const rest = state.objects.filter((object) => object.key >= start);
  return await page(deps, kind, selection, rest, state.revision, limit);
}

/** Lists at exactly one revision: from the cache, a kept snapshot, or etcd's history. */
async function listAt(
  deps: ListDeps,
  kind: StorageKind,
  selection: Selection,
  revision: number,
  start: string,
  limit: number,
): Promise<ListResult> {
  const cache = deps.storage.cacheOf(kind);
  if (revision > cache.revision) await waitForRevision(deps.storage, revision);
  if (cache.revision === revision) {
    return await page(deps, kind, selection, cache.list(selection.scope, start), revision, limit);
  }
  const snapshot = deps.snapshots.find(cache, revision);
  if (snapshot) return await page(deps, kind, selection, snapshot.list(selection.scope, start), revision, limit);
  try {
    const found = await deps.storage.listFromEtcd(kind, selection.scope, { revision, from: start });
    return await page(deps, kind, selection, found.objects, revision, limit);
  } catch (error) {
    // The first page has nothing to go on from: its client can only ask for a newer revision.
    if (!(error instanceof ApiError) || error.code !== 410 || start === "") throw error;
    throw new ExpiredContinue(encodeContinue({ revision: -1, start }));
  }
}

/** A 410 with a fresh token, for clients that would rather go on inconsistently than start over. */
class ExpiredContinue extends ApiError {
  private readonly token: string;

  constructor(token: string) {
    super(410, "Expired", EXPIRED);
    this.token = token;
  }

  override toStatus(): Status {
    return { ...super.toStatus(), metadata: { continue: this.token } };
  }
}

const EXPIRED =
  "The provided continue parameter is too old to display a consistent list result. You can start a new list without " +
  "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. " +
  "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or " +
  "deleted between the time the first chunk was returned and now may show up in the list.";

/**
 * JSON is written from the stored bytes; YAML and pretty print are made from objects, since only people ask for them.
 */
function encodeResult(
  deps: ListDeps,
  stored: StorageKind,
  found: ListResult,
  format: OutputFormat,
  exchange: Exchange,
): Answer {
  const { info } = exchange;
  const kind = inVersion(stored, info) ?? stored;
  const objects = kind === stored ? found.objects : found.objects.map((object) => storedInVersion(object, info));
  const { metadata } = found;
  const { view, media, pretty } = format;
  const includeObject = readIncludeObject(exchange.query);
  const nowMs = deps.clock.now();
  if (media === "json" && !pretty) {
    if (!view) return encodeList(kind, objects, metadata);
    if (view.kind !== "Table") return encodePartialList(objects, metadata, view.version);
    const { cells } = deps;
    return encodeTable(kind, objects, metadata, { version: view.version, includeObject, nowMs, cells });
  }
  const listOf = (some: readonly StoredObject[]) =>
    view
      ? viewOf(kind, { objects: some, metadata }, view, { version: view.version, includeObject, nowMs })
      : plainList(kind, { objects: some, metadata });
  return encodeReadableList(listOf, view?.kind === "Table" ? "rows" : "items", objects, media);
}

function viewOf(
  kind: StorageKind,
  { objects, metadata }: ListResult,
  view: NonNullable<OutputFormat["view"]>,
  options: ViewOptions,
): object {
  return view.kind === "Table"
    ? tableOf(kind, objects, metadata, options)
    : partialListOf(objects, metadata, view.version);
}

/** Items of a list carry no kind and apiVersion of their own: the list's say them. */
function plainList(kind: StorageKind, { objects, metadata }: ListResult): object {
  const list = JSON.parse(`${listHead(kind, metadata)}]}`) as { items: object[] };
  list.items = objects.map((object) => {
    const { kind: _kind, apiVersion: _version, ...item } = object.object();
    return item;
  });
  return list;
}

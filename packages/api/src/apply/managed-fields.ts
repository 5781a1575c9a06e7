// metadata.managedFields as a list of owners: reading what clients and etcd hold, and writing it in upstream's order.
import type { ManagedFieldsEntry } from "../../generated/types.ts";
import { isPlainObject } from "../plain-object.ts";
import { sameJson } from "./compare.ts";
import { type FieldTree, isEmptyTree, union } from "./field-tree.ts";
import { parseFieldTree } from "./path-element.ts";

/** Who writes, and how: two writes of the same identity share one entry. */
export interface OwnerIdentity {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  /** Version of the object that was written, `apps/v1`. Appliers are the same whatever version they write. */
  readonly apiVersion: string;
  /** Empty for the object itself. */
  readonly subresource: string;
}

/** One entry of managedFields with its set of fields. */
export interface Owner extends OwnerIdentity {
  /** RFC 3339 to the second; of the last write that took fields. */
  readonly time: string | undefined;
  readonly fields: FieldTree;
  /** What the owner was read from, so that unchanged ones are passed on as they are. */
  readonly source?: ManagedFieldsEntry;
}

/** An updater's entry is for one version, as its set was computed in it; appliers bring their whole set each time. */
export function isSameOwner(a: OwnerIdentity, b: OwnerIdentity): boolean {
  if (a.manager !== b.manager || a.operation !== b.operation || a.subresource !== b.subresource) return false;
  return a.operation === "Apply" || a.apiVersion === b.apiVersion;
}

/** Entries that the server wrote itself. */
export function readStored(entries: readonly ManagedFieldsEntry[] | undefined): Owner[] {
  return (entries ?? []).flatMap((entry) => {
    const { operation, apiVersion, fieldsV1 } = entry;
    // An entry that says too little to be compared owns nothing.
    if ((operation !== "Apply" && operation !== "Update") || !apiVersion || !isPlainObject(fieldsV1)) return [];
    return [ownerOf(entry, operation, apiVersion, fieldsV1 as FieldTree, entry)];
  });
}

/** Entries that a client sent; undefined when one of them cannot be read, and then none counts. */
export function readSent(entries: readonly ManagedFieldsEntry[]): Owner[] | undefined {
  const owners = new Map<string, Owner>();
  for (const entry of entries) {
    const { operation, apiVersion, fieldsType } = entry;
    const fields = entry.fieldsV1 === undefined ? {} : parseFieldTree(entry.fieldsV1);
    if (operation !== "Apply" && operation !== "Update") return undefined;
    if (!apiVersion || fieldsType !== "FieldsV1" || !fields) return undefined;
    const owner = ownerOf(entry, operation, apiVersion, fields);
    // The last of two with one identity counts.
    owners.set(identityText(owner), owner);
  }
  return [...owners.values()];
}

/** The same for two just when `isSameOwner`: a body may hold too many entries to compare each with each. */
function identityText({ manager, operation, apiVersion, subresource }: OwnerIdentity): string {
  return JSON.stringify([operation, manager, subresource, operation === "Apply" ? "" : apiVersion]);
}

function ownerOf(
  entry: ManagedFieldsEntry,
  operation: "Apply" | "Update",
  apiVersion: string,
  fields: FieldTree,
  source?: ManagedFieldsEntry,
): Owner {
  const { manager = "", subresource = "", time } = entry;
  return { manager, operation, apiVersion, subresource, time, fields, ...(source ? { source } : {}) };
}

/** `[{}]`: a client asks for tracking to end. An empty list says nothing, for older clients send that unknowingly. */
export function isReset(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  return entries?.length === 1 && Object.keys(entries[0] ?? {}).length === 0;
}

/** In the order of upstream: appliers first, then by time and name. Owners of nothing are left out. */
export function writeOwners(owners: readonly Owner[]): ManagedFieldsEntry[] {
  const entries = owners.filter((owner) => !isEmptyTree(owner.fields)).map(entryOf);
  return entries.sort(
    (a, b) =>
      compareTexts(a.operation, b.operation) ||
      compareTexts(a.time, b.time) ||
      compareTexts(a.manager, b.manager) ||
      compareTexts(a.apiVersion, b.apiVersion) ||
      compareTexts(a.subresource, b.subresource),
  );
}

function entryOf({ source, ...owner }: Owner): ManagedFieldsEntry {
  const { manager, operation, apiVersion, time, fields, subresource } = owner;
  // The very entry goes back, so that an untouched owner costs nothing to store.
  if (source && source.fieldsV1 === fields && source.time === time && source.apiVersion === apiVersion) return source;
  return {
    manager,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: "FieldsV1",
    fieldsV1: fields,
    ...(subresource ? { subresource } : {}),
  };
}

function compareTexts(a = "", b = ""): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Whether two lists say the same but for times: a new time alone is no change. */
export function isSameOwnership(
  a: readonly ManagedFieldsEntry[] | undefined,
  b: readonly ManagedFieldsEntry[] | undefined,
): boolean {
  if (a === b) return true;
  if (!a || !b || a.length !== b.length) return (a ?? []).length === (b ?? []).length;
  // Times are part of the order, so an entry is looked for by its manager and not expected at its place.
  const others = Map.groupBy(b, ({ manager }) => manager);
  return a.every((entry) => {
    const candidates = others.get(entry.manager) ?? [];
    const at = candidates.findIndex((other) => sameButTime(entry, other));
    if (at >= 0) candidates.splice(at, 1);
    return at >= 0;
  });
}

function sameButTime(a: ManagedFieldsEntry, b: ManagedFieldsEntry): boolean {
  if (a === b) return true;
  if (a.manager !== b.manager || a.operation !== b.operation || a.apiVersion !== b.apiVersion) return false;
  return (a.subresource ?? "") === (b.subresource ?? "") && sameJson(a.fieldsV1, b.fieldsV1);
}

// Upstream's limit and name, as `kubectl get --show-managed-fields` shows it.
const MAX_UPDATERS = 10;
const ANCIENT = "ancient-changes";

/**
 * Merges the oldest updaters of a version into one, until few enough remain: names of one-off tools would pile up
 * otherwise.
 */
export function capUpdaters(owners: readonly Owner[]): readonly Owner[] {
  const updaters = owners.filter((owner) => owner.operation === "Update").sort(byAge);
  let surplus = updaters.length - MAX_UPDATERS;
  if (surplus <= 0) return owners;
  const buckets = new Map<string, Owner[]>();
  // From the oldest on: each version's first starts a bucket, and the next ones of that version fall into it.
  for (const owner of updaters) {
    if (surplus === 0) break;
    const bucket = buckets.get(owner.apiVersion);
    if (!bucket) buckets.set(owner.apiVersion, [owner]);
    else {
      bucket.push(owner);
      surplus--;
    }
  }
  const full = [...buckets.values()].filter((bucket) => bucket.length > 1);
  const merged = new Set(full.flat());
  return [...owners.filter((owner) => !merged.has(owner)), ...full.map(mergeBucket)];
}

/** The time is the youngest one's. */
function mergeBucket(bucket: readonly Owner[]): Owner {
  const { apiVersion = "", time } = bucket.at(-1) ?? {};
  const fields = unionOfAll(bucket.map((owner) => owner.fields));
  return { manager: ANCIENT, operation: "Update", apiVersion, subresource: "", time, fields };
}

/** Halves first: one after the other would copy the growing union for every owner, of which a client may send thousands. */
function unionOfAll(trees: readonly FieldTree[]): FieldTree {
  const middle = trees.length >> 1;
  if (middle === 0) return trees[0] ?? {};
  return union(unionOfAll(trees.slice(0, middle)), unionOfAll(trees.slice(middle)));
}

function byAge(a: Owner, b: Owner): number {
  return (
    compareTexts(a.time, b.time) || compareTexts(a.manager, b.manager) || compareTexts(a.subresource, b.subresource)
  );
}

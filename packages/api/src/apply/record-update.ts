// Ownership after a create, a PUT or a patch: the writer takes what it changed, and nobody owns what is gone.
import type { ManagedFieldsEntry } from "../../generated/types.ts";
import type { KubeObject } from "../object.ts";
import { compare, type Difference, sameJson } from "./compare.ts";
import { difference, isEmptyTree, union } from "./field-tree.ts";
import { capUpdaters, isReset, isSameOwner, type Owner, readSent, readStored, writeOwners } from "./managed-fields.ts";
import type { Tracking } from "./tracking.ts";

/**
 * The managedFields of `next`, which may carry some of its own that its writer edited. `previous` is undefined for a new
 * object. The very entries of `previous` come back where nothing changed hands.
 */
export function recordUpdate(
  tracking: Tracking,
  previous: Readonly<KubeObject> | undefined,
  next: Readonly<KubeObject>,
  manager: string,
  now: string,
): ManagedFieldsEntry[] | undefined {
  const before = previous?.metadata.managedFields;
  const base = startingPoint(tracking, before, next.metadata.managedFields);
  // An object whose tracking ended stays untracked until somebody applies it.
  if (base.length === 0 && previous) return undefined;
  const changes = compare(tracking.root, previous ?? NOTHING, next);
  // The usual case of a write that changes nothing: the list is handed back, and no object is stored anew.
  const isUntouched = base.length === before?.length && base.every((owner) => owner.source);
  if (!changes && isUntouched) return before;
  const identity = { ...tracking, manager, operation: "Update" } as const;
  const owners = giveUp(tracking, base, previous ?? NOTHING, next, changes);
  const entries = writeOwners(capUpdaters(changes?.changed ? take(owners, identity, changes, now) : owners));
  return entries.length > 0 ? entries : undefined;
}

/** Where every new object starts from. */
export const NOTHING: Readonly<KubeObject> = Object.freeze({ metadata: Object.freeze({}) as KubeObject["metadata"] });

/** The writer's own edit of managedFields counts, unless it is none, or comes by a subresource. */
function startingPoint(
  { subresource }: Tracking,
  before: readonly ManagedFieldsEntry[] | undefined,
  sent: readonly ManagedFieldsEntry[] | undefined,
): Owner[] {
  if (!sent || sent.length === 0 || sent === before || subresource !== "") return readStored(before);
  if (isReset(sent)) return [];
  if (before && sameJson(sent, before)) return readStored(before);
  const owners = readSent(sent);
  return owners && owners.length > 0 ? owners : readStored(before);
}

/** Every owner without what the write changed or removed. */
export function giveUp(
  tracking: Tracking,
  owners: readonly Owner[],
  previous: Readonly<KubeObject>,
  next: Readonly<KubeObject>,
  changes: Difference | undefined,
): Owner[] {
  const byVersion = new Map<string, Difference | undefined>([[tracking.apiVersion, changes]]);
  const remaining: Owner[] = [];
  for (const owner of owners) {
    const found = differenceIn(tracking, owner.apiVersion, previous, next, byVersion);
    // An owner in a version that is gone owns nothing that could be told.
    if (found === "unserved") continue;
    const { changed = {}, removed = {} } = found ?? {};
    const fields = difference(difference(owner.fields, changed), removed);
    if (fields === owner.fields) remaining.push(owner);
    else if (!isEmptyTree(fields)) remaining.push({ ...owner, fields });
  }
  return remaining;
}

/** The same write as an owner of another version sees it. */
export function differenceIn(
  tracking: Tracking,
  apiVersion: string,
  previous: Readonly<KubeObject>,
  next: Readonly<KubeObject>,
  known: Map<string, Difference | undefined>,
): Difference | undefined | "unserved" {
  // Several owners share a version, and conversions cost.
  if (known.has(apiVersion)) return known.get(apiVersion);
  const view = tracking.viewOf(apiVersion);
  if (!view) return "unserved";
  const found = compare(view.root, view.from(previous), view.from(next));
  known.set(apiVersion, found);
  return found;
}

function take(
  owners: readonly Owner[],
  identity: Omit<Owner, "fields" | "time">,
  { changed = {} }: Difference,
  now: string,
): Owner[] {
  const { manager, operation, apiVersion, subresource } = identity;
  const mine = owners.find((owner) => isSameOwner(owner, identity));
  const fields = mine ? union(mine.fields, changed) : changed;
  const others = owners.filter((owner) => owner !== mine);
  return [...others, { manager, operation, apiVersion, subresource, time: now, fields }];
}

// Server-side apply: lays a configuration over the live object, removes what the applier gave up, and says who owns what.
import type { ManagedFieldsEntry } from "../../generated/types.ts";
import { badRequest } from "../errors.ts";
import type { KubeObject } from "../object.ts";
import type { PlainObject } from "../plain-object.ts";
import { compare, type Difference, sameJson } from "./compare.ts";
import { type Conflict, conflictError, otherConflicts } from "./conflicts.ts";
import { fieldSetOf } from "./field-set.ts";
import { intersection, isEmptyTree } from "./field-tree.ts";
import { allowedByLastApplied, KUBECTL, updateLastApplied } from "./last-applied.ts";
import { isSameOwner, type Owner, readStored, writeOwners } from "./managed-fields.ts";
import { mergeTyped } from "./merge-typed.ts";
import { prune } from "./prune.ts";
import { differenceIn, giveUp, NOTHING, recordUpdate } from "./record-update.ts";
import type { Tracking } from "./tracking.ts";

/** One `kubectl apply --server-side`, or the PATCH behind it. */
export interface ApplyRequest {
  /** Checked against the type (`checkConfig`), otherwise as its writer wrote it. */
  readonly config: PlainObject;
  readonly manager: string;
  /** Takes over fields that others own. */
  readonly force: boolean;
  /** RFC 3339. */
  readonly now: string;
}

/** What the registry decodes, defaults, validates and stores next. */
export interface Applied {
  /** Without managedFields; neither decoded nor defaulted. Shares values with its sources. */
  readonly object: KubeObject;
  readonly managedFields: ManagedFieldsEntry[];
}

/** `live` is undefined where the object is to be made. Throws ApiError 409 on conflicts. */
export function applyConfig(
  tracking: Tracking,
  live: Readonly<KubeObject> | undefined,
  request: ApplyRequest,
): Applied {
  // Ownership is the server's to record; a manifest that was read from a cluster brings that of others.
  if ((request.config as Partial<KubeObject>).metadata?.managedFields !== undefined) {
    throw badRequest("metadata.managedFields must be nil");
  }
  const start = withoutManagedFields(live ?? NOTHING);
  const owners = ownersBefore(tracking, live, request.now);
  const outcome = merge(tracking, start, owners, request);
  // So that client-side apply, should somebody go back to it, still knows what it applied.
  const object = request.manager === KUBECTL ? updateLastApplied(outcome.object, request.config) : outcome.object;
  return { object, managedFields: writeOwners(outcome.owners) };
}

/** An object that nobody tracked is owned by "before-first-apply" from then on. */
function ownersBefore(tracking: Tracking, live: Readonly<KubeObject> | undefined, now: string): Owner[] {
  const owners = readStored(live?.metadata.managedFields);
  if (owners.length > 0 || !live) return owners;
  return readStored(recordUpdate(tracking, undefined, withoutManagedFields(live), "before-first-apply", now));
}

function merge(
  tracking: Tracking,
  start: KubeObject,
  before: readonly Owner[],
  { config, manager, force, now }: ApplyRequest,
): { object: KubeObject; owners: Owner[] } {
  const { root, apiVersion, subresource } = tracking;
  const identity = { manager, operation: "Apply", apiVersion, subresource } as const;
  // One manager may own fields by applying and others by updating: those are two owners.
  const last = before.find((owner) => isSameOwner(owner, identity));
  const others = before.filter((owner) => owner !== last);
  const self: Owner = { ...identity, time: now, fields: fieldSetOf(root, config) };
  const merged = mergeTyped(root, start, config) as KubeObject;
  const object = last ? prune(tracking, merged, last, [...others, self]) : merged;
  // Only what others own can be taken from somebody.
  const changes = others.length > 0 ? compare(root, start, object) : undefined;
  if (!force) refuseConflicts(findConflicts(tracking, others, start, object, changes), tracking, start, manager);
  // An apply that changes nothing keeps its time; the first one of its owner then has none.
  const mine = sameJson(start, object) ? { ...self, time: last?.time } : self;
  return { object, owners: [...giveUp(tracking, others, start, object, changes), mine] };
}

/** An owner's set is in the version that the owner wrote, so that the change is looked at in that version too. */
function findConflicts(
  tracking: Tracking,
  others: readonly Owner[],
  before: KubeObject,
  after: KubeObject,
  changes: Difference | undefined,
): Conflict[] {
  const byVersion = new Map([[tracking.apiVersion, changes]]);
  const conflicts: Conflict[] = [];
  for (const owner of others) {
    const found = differenceIn(tracking, owner.apiVersion, before, after, byVersion);
    if (!found || found === "unserved" || !found.changed) continue;
    const fields = intersection(found.changed, owner.fields);
    if (!isEmptyTree(fields)) conflicts.push({ owner, fields });
  }
  return conflicts;
}

/** kubectl may take over from its own client-side apply. */
function refuseConflicts(
  conflicts: readonly Conflict[],
  tracking: Tracking,
  live: Readonly<KubeObject>,
  manager: string,
): void {
  if (conflicts.length === 0) return;
  const allowed = manager === KUBECTL ? allowedByLastApplied(tracking, live) : undefined;
  const remaining = allowed ? otherConflicts(conflicts, allowed) : conflicts;
  if (remaining.length > 0) throw conflictError(remaining);
}

function withoutManagedFields(object: Readonly<KubeObject>): KubeObject {
  const { managedFields: _owners, ...metadata } = object.metadata;
  return { ...object, metadata };
}

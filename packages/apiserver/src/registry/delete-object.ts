// Deletion of one object: judged by admission, then removed, marked or left on its way.
import { notFound } from "@skiff/api/errors.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import { encodeForStorage, StoredObject as Stored } from "../storage/stored-object.ts";
import { admissionRequest, admit, validateAdmission } from "./admission-chain.ts";
import { ttlOf } from "./create-object.ts";
import { checkDeletePreconditions, type DeleteOptions, planDeletion } from "./deletion-rules.ts";
import type { WriteDeps, WriteOptions } from "./write-options.ts";

/** How far a deletion came. */
export interface DeleteOutcome {
  /** Whether the object is gone; else it waits for its grace or its finalizers. */
  readonly removed: boolean;
  /** The last state. */
  readonly object: StoredObject;
}

/** Throws ApiError (404, 409, what admission says). `trusted` skips admission. */
export async function deleteObject(
  deps: WriteDeps,
  kind: StorageKind,
  key: string,
  deletion: DeleteOptions,
  options: WriteOptions,
  trusted = false,
): Promise<DeleteOutcome> {
  let dry: DeleteOutcome | undefined;
  const outcome = await deps.storage.write(kind, key, async (current) => {
    if (!current) throw notFound(kind.definition, key.slice(key.indexOf("/") + 1));
    checkDeletePreconditions(kind, current, deletion);
    if (!trusted) await judge(deps, kind, current, options);
    const plan = planDeletion(kind, ownCopy(current), deletion, deps.clock.now());
    if (options.dryRun) {
      dry = {
        removed: plan.type === "remove",
        object: plan.type === "mark" ? view(kind, current, plan.object) : current,
      };
      return { type: "keep" };
    }
    if (plan.type === "remove") return { type: "delete" };
    if (plan.type === "unchanged") return { type: "keep" };
    return { type: "put", object: plan.object, ttlSeconds: ttlOf(deps, kind) };
  });
  if (dry) return dry;
  if (outcome.type === "put") return { removed: false, object: outcome.stored };
  if (outcome.type === "keep") return { removed: false, object: outcome.current as StoredObject };
  await deps.hooks.get(kind.directory)?.afterDelete?.(outcome.previous.object(), options.signal);
  return { removed: true, object: lastState(deps, kind, outcome.previous) };
}

/** What may end gracefully says when it did, even where no grace was left. Watchers are told of the object as it was. */
function lastState(deps: WriteDeps, kind: StorageKind, previous: StoredObject): StoredObject {
  if (!kind.definition.deletionGrace) return previous;
  const object = ownCopy(previous);
  object.metadata.deletionTimestamp ??= formatTime(deps.clock.now());
  object.metadata.deletionGracePeriodSeconds = 0;
  return view(kind, previous, object);
}

/** As deep as a plan changes it. */
function ownCopy(current: StoredObject): ReturnType<StoredObject["copy"]> {
  const object = current.object();
  return { ...object, metadata: { ...object.metadata } };
}

/** Admission of a deletion sees the object as `oldObject`: there is no new one. */
async function judge(deps: WriteDeps, kind: StorageKind, current: StoredObject, options: WriteOptions): Promise<void> {
  const place = { namespace: current.namespace, name: current.name };
  const request = admissionRequest("DELETE", kind, place, { oldObject: current.object() }, options);
  await admit(deps.admission, request, options.signal);
  await validateAdmission(deps.admission, request, options.signal);
}

function view(kind: StorageKind, current: StoredObject, object: ReturnType<StoredObject["copy"]>): StoredObject {
  return new Stored(kind, current.key, current.revision, encodeForStorage(kind, object), object);
}

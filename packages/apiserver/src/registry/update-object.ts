// Updates and patches: one compare-and-swap loop around "make the next object from the present one".
import { ApiError, conflict, invalid, notFound, OBJECT_MODIFIED } from "@skiff/api/errors.ts";
import type { WriteRules } from "@skiff/api/kind.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { dedupeOwnerReferences } from "@skiff/api/validation/dedupe-owner-references.ts";
import { validateObjectMetaUpdate } from "@skiff/api/validation/object-meta.ts";
import { IMMUTABLE, invalidValue, root } from "@skiff/api/validation/path.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { WriteDecision } from "../storage/object-storage.ts";
import { encodeForStorage, type StorageKind, StoredObject } from "../storage/stored-object.ts";
import { admissionRequest, admit, validateAdmission } from "./admission-chain.ts";
import { ttlOf } from "./create-object.ts";
import { finishesDeletion } from "./deletion-rules.ts";
import { isUnchanged, recordOwnership } from "./ownership.ts";
import { servedVersionOf } from "./served-version.ts";
import { allowsUnconditionalUpdate } from "./update-policy.ts";
import type { WriteDeps, WriteOptions } from "./write-options.ts";

/** What an update does to an object; called anew for each state it meets. `current` may be changed and returned. */
export interface ObjectUpdate {
  readonly rules: WriteRules<KubeObject>;
  /** The object that the writer wants, decoded; its metadata may lack what the server fills. */
  next(current: StoredObject): KubeObject | Promise<KubeObject>;
  /** Where a client sent a whole object or changed the present one: for some kinds it must say what it replaces. */
  readonly verb?: "put" | "patch";
  /** Skips admission: for the apiserver's own writes. */
  readonly trusted?: boolean;
}

/** The object after the write, or as it was when nothing changed or it went away with its last finalizer. */
export async function updateObject(
  deps: WriteDeps,
  kind: StorageKind,
  key: string,
  update: ObjectUpdate,
  options: WriteOptions,
): Promise<StoredObject> {
  let result: StoredObject | undefined;
  // Runs again whenever another writer was quicker, unless `prepare` finds that the client named a version.
  const outcome = await deps.storage.write(kind, key, async (current) => {
    if (!current) throw notFound(kind.definition, key.slice(key.indexOf("/") + 1));
    const next = await prepare(deps, kind, current, update, options);
    await options.pause?.();
    const decision = decide(deps, kind, current, next);
    await options.pause?.();
    // What is stored is answered as it was stored; only what is not must be encoded for the answer alone.
    const isAnswer = options.dryRun ? decision.type !== "keep" : decision.type === "delete";
    result = isAnswer ? view(kind, current, next) : current;
    // A dry run goes through everything but the write, so that it fails just where the real one would.
    if (options.dryRun) return { type: "keep" };
    return await withHook(deps, kind, current, decision, options);
  });
  const hook = deps.hooks.get(kind.directory);
  if (outcome.type === "put") {
    if (outcome.previous) await hook?.afterUpdate?.(outcome.stored.object(), outcome.previous.object(), options.signal);
    return outcome.stored;
  }
  if (outcome.type === "delete") await hook?.afterDelete?.(outcome.previous.object(), options.signal);
  return result ?? (outcome.type === "keep" ? outcome.current : outcome.previous) ?? unreachable(kind, key);
}

/** Makes and judges the next object. */
async function prepare(
  deps: WriteDeps,
  kind: StorageKind,
  current: StoredObject,
  update: ObjectUpdate,
  options: WriteOptions,
): Promise<KubeObject> {
  const { definition } = kind;
  const previous = current.object();
  // The order is upstream's: defaults, owners, mutating admission, the kind's own preparation, validation, and last the
  // admission that only judges, on what would be stored.
  const next = await update.next(current);
  checkPreconditions(kind, current, next, update.verb === "put");
  if (update.verb && isUnset(next.metadata.resourceVersion) && !allowsUnconditionalUpdate(kind)) {
    const path = root("metadata").child("resourceVersion");
    // Told by the storage, which knows the resource and not the kind.
    throw invalid(definition.group, definition.plural, current.name, [
      invalidValue(path, 0, "must be specified for an update"),
    ]);
  }
  definition.applyDefaults(next);
  const repeated = dedupeOwnerReferences(next.metadata);
  if (repeated) options.warn(repeated);
  await options.pause?.();
  recordOwnership(deps.clock, kind, previous, next, options);
  await options.pause?.();
  const place = { namespace: current.namespace, name: current.name };
  const request = admissionRequest("UPDATE", kind, place, { object: next, oldObject: previous }, options);
  if (!update.trusted) await admit(deps.admission, request, options.signal);
  keepSystemFields(next, previous, definition.namespaced);
  update.rules.prepareForUpdate(next, previous, formatTime(deps.clock.now()));
  await options.pause?.();
  const errors = [
    ...validateObjectMetaUpdate(next.metadata, previous.metadata, root("metadata")),
    ...update.rules.validateUpdate(next, previous),
    ...((options.served && servedVersionOf(kind, options.served)?.validateUpdate?.(next, previous)) ?? []),
  ];
  if (errors.length > 0) throw invalid(definition.group, definition.kind, current.name, errors);
  await options.pause?.();
  // Warnings are about the spec: nobody is warned again for each status that a controller writes.
  if (options.subresource === "" && next.metadata.generation !== previous.metadata.generation) {
    for (const text of definition.warnings?.(next, previous) ?? []) options.warn(text);
  }
  if (!update.trusted) await validateAdmission(deps.admission, request, options.signal);
  return next;
}

/** A whole object names the one that it replaces; a patch tries to change it. */
function checkPreconditions(kind: StorageKind, current: StoredObject, next: KubeObject, isPut: boolean): void {
  const { resourceVersion, uid } = next.metadata;
  // Optimistic concurrency: without a version in the body the last writer wins.
  if (!isUnset(resourceVersion) && resourceVersion !== String(current.revision)) {
    throw conflict(kind.definition, current.name, OBJECT_MODIFIED);
  }
  const have = current.object().metadata.uid;
  if (uid && uid !== have) {
    const { group, kind: name } = kind.definition;
    if (!isPut) throw invalid(group, name, current.name, [invalidValue(root("metadata").child("uid"), uid, IMMUTABLE)]);
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${have}`;
    const at = `Key: /registry/${kind.definition.plural}/${current.key}, ResourceVersion: 0`;
    const told = `StorageError: invalid object, Code: 4, ${at}, AdditionalErrorMsg: ${why}`;
    throw conflict(kind.definition, current.name, told);
  }
}

/** Zero counts as nothing said. */
const isUnset = (version: string | undefined) => version === undefined || version === "" || version === "0";

/** What no writer may touch. */
function keepSystemFields(next: KubeObject, previous: Readonly<KubeObject>, isNamespaced: boolean): void {
  const { metadata } = next;
  const before = previous.metadata;
  // A deletion that has begun goes on; to begin one is refused below, with what else cannot change.
  if (before.deletionTimestamp) metadata.deletionTimestamp = before.deletionTimestamp;
  if (before.deletionGracePeriodSeconds !== undefined) {
    metadata.deletionGracePeriodSeconds ??= before.deletionGracePeriodSeconds;
  }
  if (!isNamespaced) delete (metadata as { namespace?: string }).namespace;
  // What a writer leaves out or gets wrong here is ignored, as upstream does; identity was checked before.
  for (const field of KEPT_FIELDS) {
    if (before[field] === undefined) delete metadata[field];
    else Object.assign(metadata, { [field]: before[field] });
  }
  delete metadata.selfLink;
}

const KEPT_FIELDS = ["uid", "creationTimestamp", "generation", "resourceVersion"] as const;

function decide(deps: WriteDeps, kind: StorageKind, current: StoredObject, next: KubeObject): WriteDecision {
  if (finishesDeletion(kind, next)) return { type: "delete" };
  // Writes that change nothing are not written: they must not move the revision.
  if (isUnchanged(next, current.object())) return { type: "keep" };
  return { type: "put", object: next, ttlSeconds: ttlOf(deps, kind) };
}

async function withHook(
  deps: WriteDeps,
  kind: StorageKind,
  current: StoredObject,
  decision: WriteDecision,
  options: WriteOptions,
): Promise<WriteDecision> {
  if (decision.type !== "put") return decision;
  const hook = deps.hooks.get(kind.directory);
  const undo = await hook?.beforeUpdate?.(decision.object, current.object(), options.dryRun, options.signal);
  return undo ? { ...decision, undo } : decision;
}

/** The object as it would be answered, when it was not stored (dry run, last finalizer gone). */
function view(kind: StorageKind, current: StoredObject, next: KubeObject): StoredObject {
  return new StoredObject(kind, current.key, current.revision, encodeForStorage(kind, next), next);
}

function unreachable(kind: StorageKind, key: string): never {
  throw new ApiError(500, "InternalError", `no outcome for ${kind.directory} "${key}"`);
}

// Creation: identity, defaults, admission, validation, and names that the server makes up.
import { randomUUID } from "node:crypto";
import { ApiError, alreadyExists, badRequest, invalid } from "@skiff/api/errors.ts";
import { generateName } from "@skiff/api/generate-name.ts";
import { type KubeObject, objectKey } from "@skiff/api/object.ts";
import { dedupeOwnerReferences } from "@skiff/api/validation/dedupe-owner-references.ts";
import { validateObjectMeta } from "@skiff/api/validation/object-meta.ts";
import { root } from "@skiff/api/validation/path.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import { encodeForStorage, type StorageKind, StoredObject } from "../storage/stored-object.ts";
import { admissionRequest, admit, validateAdmission } from "./admission-chain.ts";
import { recordOwnership } from "./ownership.ts";
import { servedVersionOf } from "./served-version.ts";
import type { WriteDeps, WriteOptions } from "./write-options.ts";

/** `object` is decoded and becomes the registry's. Throws ApiError. */
export async function createObject(
  deps: WriteDeps,
  kind: StorageKind,
  namespace: string,
  object: KubeObject,
  options: WriteOptions,
): Promise<StoredObject> {
  const { metadata } = object;
  if (metadata.resourceVersion && metadata.resourceVersion !== "0") {
    throw badRequest("resourceVersion should not be set on objects to be created");
  }
  fillSystemFields(deps, kind, namespace, object);
  const base = metadata.name ? undefined : metadata.generateName;
  for (let attempt = 1; ; attempt++) {
    // Each name gets a fresh copy: defaults and admission may have worked the last one in.
    const candidate = base ? structuredClone(object) : object;
    if (base) candidate.metadata.name = generateName(base);
    const stored = await createOnce(deps, kind, namespace, candidate, options);
    if (stored) return stored;
    if (!base || attempt >= NAME_ATTEMPTS) throw await takenError(deps, kind, candidate, base !== undefined);
  }
}

/** Upstream's, since v1.32 for every kind: five random characters are seldom taken. */
const NAME_ATTEMPTS = 8;

/** Undefined when the name is taken. */
async function createOnce(
  deps: WriteDeps,
  kind: StorageKind,
  namespace: string,
  object: KubeObject,
  options: WriteOptions,
): Promise<StoredObject | undefined> {
  const { definition } = kind;
  // The order is upstream's: defaults, mutating admission, the kind's own preparation, validation, judging admission.
  // What admission adds is validated like what the client wrote.
  definition.applyDefaults(object);
  const repeated = dedupeOwnerReferences(object.metadata);
  if (repeated) options.warn(repeated);
  await options.pause?.();
  recordOwnership(deps.clock, kind, undefined, object, options);
  await options.pause?.();
  const request = admissionRequest("CREATE", kind, { namespace, name: object.metadata.name }, { object }, options);
  await admit(deps.admission, request, options.signal);
  await options.pause?.();
  definition.prepareForCreate(object);
  validateNew(kind, object, options);
  await options.pause?.();
  for (const text of definition.warnings?.(object) ?? []) options.warn(text);
  await validateAdmission(deps.admission, request, options.signal);
  // Last, since it takes what has to be given back when anything fails.
  const hook = deps.hooks.get(kind.directory);
  const undo = await hook?.beforeCreate?.(object, options.dryRun, options.signal);
  // When this throws, the write may have been made all the same, so what was taken for it stays taken.
  const stored = await store(deps, kind, object, options.dryRun);
  if (!stored) await undo?.();
  return stored;
}

/** A dry run finds out only whether the name is free. */
async function store(
  deps: WriteDeps,
  kind: StorageKind,
  object: KubeObject,
  dryRun: boolean,
): Promise<StoredObject | undefined> {
  const key = objectKey(object);
  if (!dryRun) return await deps.storage.create(kind, key, object, ttlOf(deps, kind));
  if (await deps.storage.get(kind, key)) return undefined;
  return new StoredObject(kind, key, 0, encodeForStorage(kind, object), object);
}

/** Seconds after which etcd deletes the object; undefined for all kinds but Events. */
export function ttlOf(deps: WriteDeps, kind: StorageKind): number | undefined {
  return kind.definition.ttlSeconds ? deps.eventTtlSeconds : undefined;
}

/** What clients may not choose. The UID tells this object from any other that has or had its name. */
function fillSystemFields(deps: WriteDeps, kind: StorageKind, namespace: string, object: KubeObject): void {
  const { metadata } = object;
  if (kind.definition.namespaced) metadata.namespace = namespace;
  else delete metadata.namespace;
  for (const field of ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] as const) {
    delete metadata[field];
  }
  metadata.uid = randomUUID();
  metadata.creationTimestamp = formatTime(deps.clock.now());
}

/** Throws 422 with every problem at once, so that a writer need not find them one by one. */
function validateNew(kind: StorageKind, object: KubeObject, { served }: WriteOptions): void {
  const { definition } = kind;
  const errors = [
    ...validateObjectMeta(definition, object.metadata, root("metadata")),
    ...definition.validate(object),
    ...((served && servedVersionOf(kind, served)?.validateCreate?.(object)) ?? []),
  ];
  if (errors.length > 0) throw invalid(definition.group, definition.kind, object.metadata.name ?? "", errors);
}

/** 409: of an object on its way out it says so, since trying again later helps then. */
async function takenError(
  deps: WriteDeps,
  kind: StorageKind,
  object: KubeObject,
  generated: boolean,
): Promise<ApiError> {
  const { name } = object.metadata;
  const taken = alreadyExists(kind.definition, name);
  const existing = await deps.storage.get(kind, objectKey(object));
  if (existing?.object().metadata.deletionTimestamp) {
    return new ApiError(409, taken.reason, `object is being deleted: ${taken.message}`, taken.details);
  }
  if (!generated) return taken;
  const message = `${taken.message}, the server was not able to generate a unique name for the object`;
  return new ApiError(409, taken.reason, message, taken.details);
}

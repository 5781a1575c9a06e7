// POST, PUT, PATCH and DELETE of stored objects and of the subresources that are other ways of writing them.
import { fieldManagerOf } from "@skiff/api/apply/field-manager.ts";
import { badRequest, isNotFound, methodNotAllowed } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { AuthorizationAttributes } from "../authz/authorizer.ts";
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import { createObject } from "./create-object.ts";
import { type BodyType, decodeObject, type ParsedBody, parseObjectBody } from "./decode-object.ts";
import { deleteObject } from "./delete-object.ts";
import type { DeleteOptions } from "./deletion-rules.ts";
import { encodeList } from "./encode-list.ts";
import { encodeObject } from "./encode-object.ts";
import { rulesFor } from "./internal-writer.ts";
import { findObjects, type ListDeps } from "./list-objects.ts";
import { withoutOwners } from "./ownership.ts";
import { decodePatched, readPatch } from "./patch-object.ts";
import { readDeleteOptions } from "./read-delete-options.ts";
import { readSelection } from "./selectors.ts";
import { fromStored, type GroupVersion, inVersion, storedInVersion, toStored } from "./served-version.ts";
import { updateObject } from "./update-object.ts";
import { allowsCreateOnUpdate } from "./update-policy.ts";
import {
  checkFieldManager,
  type FieldValidation,
  readDryRun,
  readFieldValidation,
  type WriteDeps,
  type WriteOptions,
} from "./write-options.ts";

/** Creation by PUT or apply takes a right that the request itself was not judged by. */
export interface RestWriteDeps extends WriteDeps {
  /** Throws 403 unless allowed. */
  requireAllowed(attributes: AuthorizationAttributes): Promise<void>;
}

/**
 * POST on a collection: 201 with the object as stored. Throws 400 for a body that is none, 403 when admission refuses,
 * 409 when the name is taken, 415 and 422 for what cannot be read or is not valid.
 */
export async function postObject(deps: WriteDeps, kind: StorageKind, exchange: Exchange): Promise<Answer> {
  const { options, validation } = readOptions(exchange, "CreateOptions");
  const body = await parseObjectBody(exchange, validation, kind.definition.kind);
  await exchange.pause();
  const object = decodeBody(kind, exchange, body, validation, options.warn);
  const namespace = namespaceFor(kind, exchange, object);
  const stored = await createObject(deps, kind, namespace, object, options);
  return encodeObject(stored, exchange, 201, deps.clock.now());
}

/**
 * PUT replaces the whole object: 200, or 201 for the few kinds that PUT may also make. A resourceVersion in the body is
 * a precondition: 409 when somebody wrote in between.
 */
export async function putObject(deps: RestWriteDeps, kind: StorageKind, exchange: Exchange): Promise<Answer> {
  const { options, validation } = readOptions(exchange, "UpdateOptions");
  const body = await parseObjectBody(exchange, validation, kind.definition.kind);
  await exchange.pause();
  const object = decodeBody(kind, exchange, body, validation, options.warn);
  checkIdentity(kind, exchange, object);
  let first = true;
  const next = () => {
    // Defaults and admission work on the object, so another try needs a fresh one.
    const copy = first ? object : decodeBody(kind, exchange, body, "Ignore", options.warn);
    first = false;
    checkIdentity(kind, exchange, copy);
    return copy;
  };
  const update = { rules: rulesFor(kind, options.subresource), next, verb: "put" } as const;
  try {
    const stored = await updateObject(deps, kind, keyOf(kind, exchange), update, options);
    return encodeObject(stored, exchange, 200, deps.clock.now());
  } catch (error) {
    // A subresource of an object that does not exist is never made.
    if (!isNotFound(error) || options.subresource || !allowsCreateOnUpdate(kind)) throw error;
    return await createByPut(deps, kind, exchange, next(), options);
  }
}

/** Creating takes the right to create, whatever the verb of the request. */
async function createByPut(
  deps: RestWriteDeps,
  kind: StorageKind,
  exchange: Exchange,
  object: KubeObject,
  options: WriteOptions,
): Promise<Answer> {
  await deps.requireAllowed({ ...exchange.info, verb: "create", user: exchange.user });
  // A version cannot be met by what does not exist yet; creation would refuse it.
  delete (object.metadata as Partial<KubeObject["metadata"]>).resourceVersion;
  const stored = await createObject(deps, kind, exchange.info.namespace, object, options);
  return encodeObject(stored, exchange, 201, deps.clock.now());
}

/**
 * PATCH in the three forms that are not apply: JSON patch, merge patch and strategic merge patch. Each try works on the
 * newest object, so that a patch without resourceVersion conflicts with nobody.
 */
export async function patchObject(deps: WriteDeps, kind: StorageKind, exchange: Exchange): Promise<Answer> {
  const { options, validation } = readOptions(exchange, "PatchOptions");
  const { info } = exchange;
  const type = bodyType(kind, info);
  const patch = await readPatch(exchange, type.model);
  // Hardly any patch is about owners, and reading them back would cost as much as the rest of the object.
  const ownersToo = (await exchange.readBytes()).includes("managedFields");
  const next = async (current: StoredObject): Promise<KubeObject> => {
    // Patches and decoding leave the shared object as it is.
    const document = ownersToo ? current.object() : withoutOwners(current.object());
    const value = patch.apply(fromStored(kind, info, document));
    await exchange.pause();
    const decoded = decodePatched(patch, type, { value, duplicateFields: [] }, validation, options.warn);
    const object = toStored(kind, info, decoded);
    checkIdentity(kind, exchange, object);
    return object;
  };
  const update = { rules: rulesFor(kind, options.subresource), next, verb: "patch" } as const;
  const stored = await updateObject(deps, kind, keyOf(kind, exchange), update, options);
  return encodeObject(stored, exchange, 200, deps.clock.now());
}

/**
 * DELETE by name: 200 with a Status when the object is gone, or the object that lives on until its finalizers or its
 * grace are done. 404 when there is none, 409 when a precondition does not hold.
 */
export async function deleteOne(deps: WriteDeps, kind: StorageKind, exchange: Exchange): Promise<Answer> {
  const { deletion, dryRun } = await readDeleteOptions(exchange);
  const options = { ...baseOptions(exchange), dryRun };
  const { removed, object } = await deleteObject(deps, kind, keyOf(kind, exchange), deletion, options);
  if (removed && !RETURNED_WHEN_DELETED.has(kind.directory)) {
    return { code: 200, object: deletedStatus(kind, object) };
  }
  return encodeObject(object, exchange, removed ? 200 : acceptedCode(deletion), deps.clock.now());
}

/** Deletes what is selected, a few at a time, and answers with the list of it. */
export async function deleteCollection(
  deps: WriteDeps & ListDeps,
  kind: StorageKind,
  exchange: Exchange,
): Promise<Answer> {
  const { deletion, dryRun } = await readDeleteOptions(exchange);
  const options = { ...baseOptions(exchange), dryRun };
  const cache = deps.storage.cacheOf(kind);
  const selection = readSelection(kind, exchange.info, exchange.query, cache.indexField);
  const query = new URLSearchParams([...exchange.query].filter(([name]) => LIST_PARAMETERS.has(name)));
  const { objects, metadata } = await findObjects(deps, kind, selection, query);
  await eachOf(objects, DELETE_WORKERS, async (object) => {
    // Somebody else may have deleted one of them since they were listed.
    await deleteObject(deps, kind, object.key, deletion, options).catch(ignoreNotFound);
  });
  const { info } = exchange;
  const shown = objects.map((object) => storedInVersion(object, info));
  return encodeList(inVersion(kind, info) ?? kind, shown, metadata);
}

/** The other parameters of the query are delete options, or the selectors that are read already. */
const LIST_PARAMETERS: ReadonlySet<string> = new Set(["limit", "continue", "resourceVersion", "resourceVersionMatch"]);
const DELETE_WORKERS = 16;

/** Runs `work` over the items, at most `workers` at a time; the first failure rejects. */
async function eachOf<T>(items: readonly T[], workers: number, work: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const run = async () => {
    for (let item = items[next++]; item !== undefined; item = items[next++]) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(workers, items.length) }, run));
}

function ignoreNotFound(error: unknown): void {
  if (!(error instanceof Error && "code" in error && error.code === 404)) throw error;
}

/** Kinds whose deletion answers with the object instead of a Status. */
const RETURNED_WHEN_DELETED: ReadonlySet<string> = new Set([
  "pods",
  "podtemplates",
  "services",
  "serviceaccounts",
  "resourcequotas",
  "persistentvolumes",
  "persistentvolumeclaims",
]);

/** Upstream says 202 only to those who asked for dependents to go first. */
function acceptedCode({ propagationPolicy, orphanDependents }: DeleteOptions): number {
  return propagationPolicy === "Foreground" || orphanDependents === false ? 202 : 200;
}

/** What `kubectl delete` gets for an object that is gone. `details.kind` is the plural, as upstream sends it. */
function deletedStatus({ definition }: StorageKind, object: StoredObject): object {
  const { group, plural } = definition;
  const { uid } = object.object().metadata;
  const details = { name: object.name, ...(group ? { group } : {}), kind: plural, ...(uid ? { uid } : {}) };
  return { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details };
}

/** What a body of the request's version must be. */
export function bodyType(stored: StorageKind, { group, version }: GroupVersion): BodyType {
  const { kind, model } = (inVersion(stored, { group, version }) ?? stored).definition;
  return { group, version, kind, model };
}

/** The stored form of what a body says. */
function decodeBody(
  kind: StorageKind,
  { info }: Exchange,
  ...[body, validation, warn]: [body: ParsedBody, validation: FieldValidation, warn: (text: string) => void]
): KubeObject {
  return toStored(kind, info, decodeObject(bodyType(kind, info), body, validation, warn));
}

/** Where etcd keeps the object below its kind's directory: `namespace/name`, or the name alone. */
export function keyOf(kind: StorageKind, { info }: Exchange): string {
  return kind.definition.namespaced ? `${info.namespace}/${info.name}` : info.name;
}

/**
 * What a write says in its query. Throws 422 for a field manager, `dryRun` or `fieldValidation` that is not valid;
 * `optionsKind` is the type that its causes name.
 */
export function readOptions(
  exchange: Exchange,
  optionsKind: string,
): { options: WriteOptions; validation: FieldValidation } {
  checkFieldManager(exchange.query, optionsKind);
  const dryRun = readDryRun(exchange.query.getAll("dryRun"), optionsKind);
  const validation = readFieldValidation(exchange.query, optionsKind);
  return { options: { ...baseOptions(exchange), dryRun }, validation };
}

/** Without a `fieldManager` the first word of the User-Agent owns the fields, so that old clients are tracked too. */
function baseOptions(exchange: Exchange): WriteOptions {
  const { user, info, signal, query, raw } = exchange;
  const fieldManager = fieldManagerOf(query.get("fieldManager"), raw.headers["user-agent"]);
  const warn = (text: string) => exchange.warn(text);
  const pause = () => exchange.pause();
  return { user, dryRun: false, subresource: info.subresource, fieldManager, served: info, signal, pause, warn };
}

/** The namespace of the URL, which the body may repeat but not contradict. */
function namespaceFor(kind: StorageKind, { info }: Exchange, object: KubeObject): string {
  if (!kind.definition.namespaced) return "";
  // A POST above all namespaces has no place to put the object.
  if (!info.namespace) throw methodNotAllowed();
  checkNamespace(kind, info.namespace, object);
  return info.namespace;
}

/** Throws 400: a body that names another namespace than its URL was most likely sent to the wrong place. */
function checkNamespace(kind: StorageKind, namespace: string, object: KubeObject): void {
  const given = object.metadata.namespace;
  if (!kind.definition.namespaced || !given || given === namespace) return;
  throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
}

/** A PUT or PATCH may leave name and namespace out, but not change them. */
export function checkIdentity(kind: StorageKind, { info }: Exchange, object: KubeObject): void {
  const { metadata } = object;
  if (!metadata.name) {
    throw badRequest(`the name of the object (${info.name} based on URL) was undeterminable: name must be provided`);
  }
  if (metadata.name !== info.name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${info.name})`);
  }
  metadata.name = info.name;
  if (!kind.definition.namespaced) return;
  checkNamespace(kind, info.namespace, object);
  metadata.namespace = info.namespace;
}

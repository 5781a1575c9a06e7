// PATCH with an apply configuration: makes the object or changes it, and the applier owns what the configuration names.
import { applyConfig } from "@skiff/api/apply/apply-config.ts";
import { checkConfig } from "@skiff/api/apply/check-config.ts";
import { type Tracking, trackingOf } from "@skiff/api/apply/tracking.ts";
import { parseJson, strictProblems } from "@skiff/api/decode.ts";
import { ApiError, badRequest, conflict, invalid, isAlreadyExists, isNotFound } from "@skiff/api/errors.ts";
import { groupVersion, type KubeObject } from "@skiff/api/object.ts";
import { isDeeperThan, isPlainObject, type PlainObject } from "@skiff/api/plain-object.ts";
import { required, root } from "@skiff/api/validation/path.ts";
import { type Clock, formatTime } from "@skiff/component-base/clock.ts";
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import { isTrue } from "../http/parse-request-info.ts";
import { mediaTypeOf } from "../http/read-body.ts";
import { duplicateKeys, parseYaml } from "../http/yaml.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import { createObject } from "./create-object.ts";
import { type BodyType, decodeObject } from "./decode-object.ts";
import { encodeObject } from "./encode-object.ts";
import { rulesFor } from "./internal-writer.ts";
import { bodyType, checkIdentity, keyOf, type RestWriteDeps, readOptions } from "./rest-writes.ts";
import { fromStored, toStored } from "./served-version.ts";
import { updateObject } from "./update-object.ts";
import type { FieldValidation, WriteOptions } from "./write-options.ts";

/** Both say apply: JSON is YAML too. */
const APPLY_TYPES: ReadonlySet<string> = new Set(["application/apply-patch+yaml", "application/apply-patch+json"]);

/** Server-side apply is a PATCH that only its Content-Type tells from the others. */
export function isApply(exchange: Exchange): boolean {
  return APPLY_TYPES.has(mediaTypeOf(exchange.raw.headers["content-type"]));
}

/**
 * 200 for a change, 201 for a new object: apply is the one patch that may create. Throws 409 naming the managers whose
 * fields differ, unless `force` takes them over; 422 without a fieldManager.
 */
export async function applyObject(deps: RestWriteDeps, kind: StorageKind, exchange: Exchange): Promise<Answer> {
  const { info } = exchange;
  const type = bodyType(kind, info);
  const tracking = trackingOf(kind.definition, info.subresource, groupVersion(info.group, info.version));
  const { apply, options } = await readApply(exchange, type, tracking, deps.clock);
  const next = async (current: StoredObject): Promise<KubeObject> => {
    const object = toStored(kind, info, await apply(type, fromStored(kind, info, current.object())));
    checkIdentity(kind, exchange, object);
    return object;
  };
  const update = { rules: rulesFor(kind, options.subresource), next };
  // Somebody may make or delete the object between the two attempts.
  for (let attempt = 1; ; attempt++) {
    try {
      const stored = await updateObject(deps, kind, keyOf(kind, exchange), update, options);
      return encodeObject(stored, exchange, 200, deps.clock.now());
    } catch (error) {
      // A subresource belongs to an object that somebody else must make.
      if (!isNotFound(error) || options.subresource) throw error;
    }
    try {
      const stored = await create(deps, kind, exchange, toStored(kind, info, await apply(type, undefined)), options);
      return encodeObject(stored, exchange, 201, deps.clock.now());
    } catch (error) {
      if (!isAlreadyExists(error) || attempt >= MAX_ATTEMPTS) throw error;
    }
  }
}

const MAX_ATTEMPTS = 5;

/** Takes the right to create. */
async function create(
  deps: RestWriteDeps,
  kind: StorageKind,
  exchange: Exchange,
  object: KubeObject,
  options: WriteOptions,
): Promise<StoredObject> {
  const { info, user } = exchange;
  const { metadata } = object;
  await deps.requireAllowed({ ...info, verb: "create", user });
  // Whoever names a UID means an object that existed; another of that name would not be it.
  if (metadata.uid) {
    const why = `uid mismatch: the provided object specified uid ${metadata.uid}, and no existing object was found`;
    throw conflict(kind.definition, info.name, why);
  }
  if (!metadata.name) {
    throw badRequest(`the name of the object (${info.name} based on URL) was undeterminable: name must be provided`);
  }
  checkIdentity(kind, exchange, object);
  delete (metadata as Partial<typeof metadata>).resourceVersion;
  return await createObject(deps, kind, info.namespace, object, options);
}

/** A configuration that was read and checked, to be applied to whatever is stored at each attempt. */
export interface Apply {
  /** The live object with the configuration applied, decoded as `type`, with its owners. */
  apply(type: BodyType, live: Readonly<KubeObject> | undefined): Promise<KubeObject>;
  readonly config: PlainObject;
  /** Without a field manager: who owns what is said already. */
  readonly options: WriteOptions;
}

/** Reads a configuration of `type`. Throws 422 for bad parameters and 400 for what is no configuration. */
export async function readApply(
  exchange: Exchange,
  type: BodyType,
  tracking: Tracking,
  clock: Clock,
  toObject: (config: PlainObject) => PlainObject = (config) => config,
): Promise<Apply> {
  const { options, validation } = readOptions(exchange, "PatchOptions");
  const manager = exchange.query.get("fieldManager");
  if (!manager) {
    throw invalid("meta.k8s.io", "PatchOptions", "", [required(root("fieldManager"), "is required for apply patch")]);
  }
  const text = (await exchange.readBytes()).toString("utf8");
  const config = parseConfig(text, validation, options.warn);
  await exchange.pause();
  // kubectl always sends both; an apply without them would not know in which version its fields are named.
  checkType(type, config);
  checkConfig(type.model, config, describe(type, config));
  await exchange.pause();
  const request = {
    config: toObject(config),
    manager,
    force: isTrue(exchange.query.get("force")),
    now: formatTime(clock.now()),
  };
  return {
    config,
    options: { ...options, fieldManager: undefined },
    async apply(stored, live) {
      const { object, managedFields } = applyConfig(tracking, live, request);
      await exchange.pause();
      const decoded = decodeObject(stored, { value: object, duplicateFields: [] }, "Ignore", options.warn);
      decoded.metadata.managedFields = managedFields;
      return decoded;
    },
  };
}

/** Throws 400 for what is no object; duplicate keys are refused, warned of or ignored as `fieldValidation` says. */
function parseConfig(text: string, validation: FieldValidation, warn: (text: string) => void): PlainObject {
  const { value, problems, problem } = parse(text, validation !== "Ignore");
  if (!isPlainObject(value)) {
    const type = Array.isArray(value) ? "array" : typeof value;
    const why = `json: cannot unmarshal ${type} into Go value of type map[string]interface {}`;
    throw badRequest(`error decoding YAML: error unmarshaling JSON: while decoding JSON: ${why}`);
  }
  if (problems.length > 0 && validation === "Strict") {
    throw badRequest(`error strict decoding YAML: ${problem}`);
  }
  for (const problem of problems) warn(problem);
  // What follows walks the configuration by recursion.
  if (isDeeperThan(value, MAX_DEPTH)) throw tooDeep();
  return value;
}

const MAX_DEPTH = 500;
const tooDeep = () => badRequest("error decoding YAML: exceeded max depth");

/** `problem` is all of them as the strict error tells them. */
function parse(text: string, strict: boolean): { value: unknown; problems: readonly string[]; problem?: string } {
  try {
    if (text.trimStart().startsWith("{")) {
      const { value, duplicateFields } = parseJson(text);
      const problems = strictProblems(duplicateFields, []);
      return { value, problems, problem: problems.join(", ") };
    }
  } catch (error) {
    if (error instanceof Error && error.message.endsWith("exceeded max depth")) throw tooDeep();
    // Flow style of YAML begins like JSON.
  }
  try {
    const problems = strict ? duplicateKeys(text) : [];
    const problem = `error converting YAML to JSON: yaml: unmarshal errors:\n  ${problems.join("\n  ")}`;
    // An empty text is an object of which nothing was said.
    return { value: parseYaml(text) ?? {}, problems, problem };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw badRequest(`error decoding YAML: error converting YAML to JSON: ${error.message}`);
  }
}

function checkType(type: BodyType, config: PlainObject): void {
  const wanted = type.group ? `${type.group}/${type.version}` : type.version;
  if (config.apiVersion === wanted && config.kind === type.kind) return;
  throw badRequest(`invalid object type: ${typeName(String(config.apiVersion ?? "/"), String(config.kind ?? ""))}`);
}

/** `/v1, Kind=Pod`, as Go prints a kind. */
function typeName(apiVersion: string, kind: string): string {
  return `${apiVersion.includes("/") ? "" : "/"}${apiVersion}, Kind=${kind}`;
}

/** The object as upstream's messages about a configuration name it. */
function describe(type: BodyType, config: PlainObject): string {
  const { name = "", namespace = "" } = isPlainObject(config.metadata) ? config.metadata : {};
  return `${String(namespace)}/${String(name)}; ${type.group}/${type.version}, Kind=${type.kind}`;
}

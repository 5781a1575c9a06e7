// The scale subresource: an autoscaling/v1 Scale that reads and writes the replica count of its object.
import { trackingOf } from "@skiff/api/apply/tracking.ts";
import { ApiError, badRequest, conflict, invalid, notFound, OBJECT_MODIFIED } from "@skiff/api/errors.ts";
import type { ScaleRules } from "@skiff/api/kind.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { PlainObject } from "@skiff/api/plain-object.ts";
import type { Scale } from "@skiff/api/types.ts";
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import { isApply, readApply } from "./apply-object.ts";
import { decodeObject, parseObjectBody } from "./decode-object.ts";
import { decodePatched, readPatch } from "./patch-object.ts";
import { keyOf, readOptions } from "./rest-writes.ts";
import { updateObject } from "./update-object.ts";
import type { FieldValidation, WriteDeps, WriteOptions } from "./write-options.ts";

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale", model: "Scale" };

/** What upstream's readers of the subresource call it when there is none. */
const SCALE_SUBJECTS: Readonly<Record<string, { group: string; plural: string }>> = {
  "apps/deployments": { group: "apps", plural: "deployments/scale" },
  "apps/replicasets": { group: "apps", plural: "replicasets/scale" },
  replicationcontrollers: { group: "autoscaling", plural: "replicationcontrollers/scale" },
};

/** Runs again for each state that a write meets. */
type MakeScale = (current: Scale) => Scale;

/**
 * `kubectl scale` and autoscalers: they need no knowledge of the kind, and only the right to its `scale`. Throws 404
 * for a missing object, 409 for another resourceVersion, 422 for a negative count.
 */
export async function serveScale(
  deps: WriteDeps,
  kind: StorageKind,
  rules: ScaleRules<KubeObject>,
  exchange: Exchange,
): Promise<Answer> {
  if (exchange.info.verb === "get") {
    const stored = await deps.storage.get(kind, keyOf(kind, exchange));
    if (!stored) throw notFound(SCALE_SUBJECTS[kind.directory] ?? kind.definition, exchange.info.name);
    return { code: 200, object: scaleOf(stored, rules) };
  }
  const { next, options } = await readWrite(deps, kind, rules, exchange);
  const stored = await updateObject(deps, kind, keyOf(kind, exchange), { rules: kind.definition, next }, options);
  return { code: 200, object: scaleOf(stored, rules) };
}

/** A write of the object that the Scale stands for. */
interface ScaleWrite {
  next(current: StoredObject): KubeObject | Promise<KubeObject>;
  readonly options: WriteOptions;
}

async function readWrite(
  deps: WriteDeps,
  kind: StorageKind,
  rules: ScaleRules<KubeObject>,
  exchange: Exchange,
): Promise<ScaleWrite> {
  if (exchange.info.verb === "patch" && isApply(exchange)) return await readScaleApply(deps, kind, exchange);
  const { options, validation } = readOptions(exchange, "UpdateOptions");
  const make = await readScale(exchange, validation, options);
  return { options, next: (current) => applyScale(kind, current, rules, make) };
}

/** The replica count that an applied Scale names is a field of the object, owned there by way of the subresource. */
async function readScaleApply(deps: WriteDeps, kind: StorageKind, exchange: Exchange): Promise<ScaleWrite> {
  const { definition } = kind;
  // Of the Scale only its spec is a field of the object.
  const onObject = ({ spec }: PlainObject): PlainObject => ({ metadata: {}, ...(spec === undefined ? {} : { spec }) });
  const tracking = trackingOf(definition, "scale");
  const { apply, config, options } = await readApply(exchange, SCALE, tracking, deps.clock, onObject);
  const { name } = (config.metadata ?? {}) as { name?: unknown };
  if (name && name !== exchange.info.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${exchange.info.name})`);
  }
  return { options, next: (current) => apply(definition, current.object()) };
}

/** How the request turns the present Scale into the wanted one. */
async function readScale(exchange: Exchange, validation: FieldValidation, options: WriteOptions): Promise<MakeScale> {
  if (exchange.info.verb === "patch") {
    const patch = await readPatch(exchange, SCALE.model);
    return (current) => {
      const body = { value: patch.apply(current), duplicateFields: [] };
      return decodePatched(patch, SCALE, body, validation, options.warn) as Scale;
    };
  }
  const body = await parseObjectBody(exchange, validation, SCALE.kind);
  const scale = decodeObject(SCALE, body, validation, options.warn) as Scale;
  const { name } = exchange.info;
  if (scale.metadata?.name && scale.metadata.name !== name) {
    throw badRequest(`the name of the object (${scale.metadata.name}) does not match the name on the URL (${name})`);
  }
  return () => scale;
}

/**
 * Changes the replica count of a copy and nothing else, by the rules of the kind: its validation sees the whole object.
 */
function applyScale(
  kind: StorageKind,
  current: StoredObject,
  rules: ScaleRules<KubeObject>,
  make: MakeScale,
): KubeObject {
  const scale = make(scaleOf(current, rules));
  const replicas = scale.spec?.replicas ?? 0;
  if (replicas < 0) {
    const detail = "must be greater than or equal to 0";
    throw invalid("autoscaling", "Scale", current.name, [
      { type: "FieldValueInvalid", field: "spec.replicas", value: replicas, detail },
    ]);
  }
  const version = scale.metadata?.resourceVersion;
  if (version && version !== String(current.revision)) throw conflict(kind.definition, current.name, OBJECT_MODIFIED);
  const object = current.copy();
  rules.write(object, replicas);
  return object;
}

function scaleOf(stored: StoredObject, rules: ScaleRules<KubeObject>): Scale {
  const object = stored.object();
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  if (!name) throw new ApiError(500, "InternalError", "an object without a name");
  const { specReplicas, statusReplicas, selector } = rules.read(object);
  const metadata = { name, namespace, uid, resourceVersion, creationTimestamp };
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata,
    // `spec.replicas` is omitempty upstream, so that zero is not written.
    spec: specReplicas === 0 ? {} : { replicas: specReplicas },
    status: { replicas: statusReplicas, ...(selector ? { selector } : {}) },
  } as Scale;
}

// pods/binding (and the older /bindings): gives a pod its node, once.
import { ApiError, conflict, invalid, notFound } from "@skiff/api/errors.ts";
import type { Binding, Pod } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import { admissionRequest, admit, validateAdmission } from "./admission-chain.ts";
import { decodeObject, parseObjectBody } from "./decode-object.ts";
import { readOptions } from "./rest-writes.ts";
import type { WriteDeps } from "./write-options.ts";

const BINDING = { group: "", version: "v1", kind: "Binding", model: "Binding" };
/** The resource that a refusal names, as the scheduler logs it. */
const SUBJECT = { group: "", plural: "pods/binding" };

/**
 * 201 once the pod has its node. 409 for a pod that has one, is going or is gated: the scheduler forgets its decision
 * and tries again. Admission judges the Binding, not an update of the pod.
 */
export async function bindPod(deps: WriteDeps, kind: StorageKind, exchange: Exchange): Promise<Answer> {
  const { options, validation } = readOptions(exchange, "CreateOptions");
  const body = await parseObjectBody(exchange, validation, BINDING.kind);
  const binding = decodeObject(BINDING, body, validation, options.warn) as Binding;
  const { namespace } = exchange.info;
  // The older path has no name in the URL.
  const name = exchange.info.name || binding.metadata.name || "";
  checkBinding(binding, name, namespace);
  const request = admissionRequest(
    "CREATE",
    kind,
    { namespace, name },
    { object: binding },
    { ...options, subresource: "binding" },
  );
  await admit(deps.admission, request, options.signal);
  await validateAdmission(deps.admission, request, options.signal);
  await deps.storage.write(kind, `${namespace}/${name}`, (current) => {
    if (!current) throw notFound({ group: "", plural: "pods" }, name);
    const pod = boundPod(current, binding, formatTime(deps.clock.now()));
    return options.dryRun ? { type: "keep" } : { type: "put", object: pod };
  });
  return { code: 201, object: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 } };
}

/** A target without a kind is a node, as no other kind was ever bound to. */
function checkBinding(binding: Binding, name: string, namespace: string): void {
  const { target, metadata } = binding;
  if (metadata.name !== name) {
    throw new ApiError(400, "BadRequest", `name in URL does not match name in Binding object`);
  }
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw new ApiError(
      400,
      "BadRequest",
      "the namespace of the provided object does not match the namespace sent on the request",
    );
  }
  if (target?.kind && target.kind !== "Node") {
    const detail = 'supported values: "Node", "<empty>"';
    throw invalid("", "Binding", name, [
      { type: "FieldValueNotSupported", field: "target.kind", value: target.kind, detail },
    ]);
  }
  if (!target?.name) {
    throw invalid("", "Binding", name, [{ type: "FieldValueRequired", field: "target.name", detail: "" }]);
  }
}

/** The pod with its node, or why it cannot have one. */
function boundPod(current: StoredObject, binding: Binding, now: string): Pod {
  const pod = current.copy() as Pod;
  const { name } = pod.metadata;
  const refuse = (why: string) => conflict(SUBJECT, name ?? "", why);
  // A pod that was made again under the same name must not inherit the decision about the former one.
  const { uid, resourceVersion } = binding.metadata;
  if (uid && uid !== pod.metadata.uid) {
    throw refuse(`Precondition failed: UID in precondition: ${uid}, UID in object meta: ${pod.metadata.uid}`);
  }
  if (resourceVersion && resourceVersion !== pod.metadata.resourceVersion) {
    const have = pod.metadata.resourceVersion;
    throw refuse(
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${have}`,
    );
  }
  if (pod.metadata.deletionTimestamp) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`);
  if (pod.spec.nodeName) throw refuse(`pod ${name} is already assigned to node "${pod.spec.nodeName}"`);
  if ((pod.spec.schedulingGates?.length ?? 0) > 0) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`);
  pod.spec.nodeName = binding.target.name ?? "";
  // Schedulers leave their notes on the pod by way of the Binding.
  if (binding.metadata.annotations) {
    pod.metadata.annotations = { ...pod.metadata.annotations, ...binding.metadata.annotations };
  }
  setScheduled(pod, now);
  return pod;
}

/** The condition changes in the same write as the node, so that nobody sees one without the other. */
function setScheduled(pod: Pod, now: string): void {
  pod.status ??= {};
  const conditions = pod.status.conditions ?? [];
  const before = conditions.find((condition) => condition.type === "PodScheduled");
  const lastTransitionTime = before?.status === "True" ? before.lastTransitionTime : now;
  const scheduled = { type: "PodScheduled", status: "True", ...(lastTransitionTime ? { lastTransitionTime } : {}) };
  pod.status.conditions = [...conditions.filter((condition) => condition !== before), scheduled];
}

// pods/eviction: deletes a pod as somebody else than its owner asked, if its disruption budget allows, and says so in a condition.
import { badRequest, isConflict, notFound } from "@skiff/api/errors.ts";
import type { Eviction, Pod } from "@skiff/api/types.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { Answer } from "../http/endpoint.ts";
import type { Exchange } from "../http/exchange.ts";
import type { StorageKind } from "../storage/stored-object.ts";
import { admissionRequest, admit, validateAdmission } from "./admission-chain.ts";
import { type BodyType, decodeObject, type ParsedBody, parseObjectBody } from "./decode-object.ts";
import { deleteObject } from "./delete-object.ts";
import { checkDeletePreconditions, type DeleteOptions } from "./deletion-rules.ts";
import { isBeyondBudgets, isGone, takeDisruption, unsettled } from "./disruption-budgets.ts";
import { judgeDeleteOptions } from "./read-delete-options.ts";
import type { ResourceTable } from "./resource-table.ts";
import { readOptions } from "./rest-writes.ts";
import { readDryRun, type WriteDeps, type WriteOptions } from "./write-options.ts";

/** An Eviction is no stored object: it is only ever the body of this POST. */
const EVICTION = { group: "policy", version: "v1", kind: "Eviction", model: "Eviction" };
/** The older version has the same fields, and clients of its time still send it. */
const OLD_EVICTION = { ...EVICTION, version: "v1beta1" };
/** A pod that somebody changes at every look is given up with the last conflict. */
const MAX_TRIES = 10;

/** Beside the pod, the budgets of its namespace are read and written. */
export type EvictionDeps = WriteDeps & { readonly resources: ResourceTable };

/** A deletion with the pod's own grace, which takes a disruption from the budget that guards the pod. */
export async function evictPod(deps: EvictionDeps, kind: StorageKind, exchange: Exchange): Promise<Answer> {
  const { options, validation } = readOptions(exchange, "CreateOptions");
  const body = await parseObjectBody(exchange, validation, EVICTION.kind);
  const eviction = decodeObject(typeOf(body), body, validation, options.warn) as Eviction;
  const { namespace, name } = exchange.info;
  if (eviction.metadata?.name !== name) throw badRequest("name in URL does not match name in Eviction object");
  const wire = eviction.deleteOptions ?? {};
  // Asked for in the query or in the delete options of the body: either counts.
  const dryRun = options.dryRun || readDryRun(wire.dryRun ?? [], "DeleteOptions");
  const write = { ...options, dryRun, subresource: "eviction" };
  const request = admissionRequest("CREATE", kind, { namespace, name }, { object: eviction }, write);
  // Admission sees the creation of an Eviction here and, below, the deletion of a pod.
  await admit(deps.admission, request, write.signal);
  await validateAdmission(deps.admission, request, write.signal);
  await evict(deps, kind, `${namespace}/${name}`, judgeDeleteOptions(wire), write);
  return { code: 201, object: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 } };
}

/** Only what names the old version is read as that; anything else is checked against the new one. */
function typeOf({ value }: ParsedBody): BodyType {
  const said = typeof value === "object" && value !== null ? (value as { apiVersion?: unknown }).apiVersion : undefined;
  return said === "policy/v1beta1" ? OLD_EVICTION : EVICTION;
}

/** Deletes the pod. One that no budget counts goes at once; the others take a disruption first. */
async function evict(
  deps: EvictionDeps,
  kind: StorageKind,
  key: string,
  deletion: DeleteOptions,
  options: WriteOptions,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    const stored = await deps.storage.get(kind, key);
    if (!stored) throw notFound(kind.definition, key.slice(key.indexOf("/") + 1));
    // A pod that is not meant must not cost its budget anything.
    checkDeletePreconditions(kind, stored, deletion);
    const pod = stored.object() as Readonly<Pod>;
    const asSeen = { ...deletion, resourceVersion: deletion.resourceVersion ?? String(stored.revision) };
    if (!isBeyondBudgets(pod)) {
      await evictGuarded(deps, kind, key, pod, { deletion, asSeen }, options);
      return;
    }
    try {
      // A pending pod may have become ready meanwhile, and then its budget counts.
      await markAndDelete(deps, kind, key, isGone(pod) ? deletion : asSeen, options);
      return;
    } catch (error) {
      // A client that named a version wants to hear that it has passed; the others only want the pod gone.
      if (!isConflict(error) || deletion.resourceVersion !== undefined || tries === MAX_TRIES) throw error;
    }
  }
}

/** `asSeen` deletes the pod only as long as nobody changed it. */
async function evictGuarded(
  deps: EvictionDeps,
  kind: StorageKind,
  key: string,
  pod: Readonly<Pod>,
  { deletion, asSeen }: { deletion: DeleteOptions; asSeen: DeleteOptions },
  options: WriteOptions,
): Promise<void> {
  const { budget, asIs } = await takeDisruption(deps, pod, options.dryRun, options.signal);
  try {
    await markAndDelete(deps, kind, key, asIs ? asSeen : deletion, options);
  } catch (error) {
    if (!asIs || !budget || !isConflict(error) || deletion.resourceVersion !== undefined) throw error;
    // The pod may be healthy by now, so the client is to ask again.
    throw unsettled(budget);
  }
}

/** The condition comes first, so that Jobs can tell an eviction from a failure of the pod (`podFailurePolicy`). */
async function markAndDelete(
  deps: WriteDeps,
  kind: StorageKind,
  key: string,
  deletion: DeleteOptions,
  options: WriteOptions,
): Promise<void> {
  const revision = await markDisrupted(deps, kind, key, deletion, options);
  const moved = deletion.resourceVersion !== undefined && !options.dryRun;
  // The mark itself is a new version.
  await deleteObject(deps, kind, key, moved ? { ...deletion, resourceVersion: revision } : deletion, {
    ...options,
    subresource: "",
  });
}

/** Returns the version that carries the condition. */
async function markDisrupted(
  deps: WriteDeps,
  kind: StorageKind,
  key: string,
  deletion: DeleteOptions,
  { dryRun }: WriteOptions,
): Promise<string> {
  const outcome = await deps.storage.write(kind, key, (current) => {
    if (!current) throw notFound(kind.definition, key.slice(key.indexOf("/") + 1));
    checkDeletePreconditions(kind, current, deletion);
    const pod = current.copy() as Pod;
    if (dryRun || isDisrupted(pod)) return { type: "keep" };
    return { type: "put", object: withDisruption(pod, formatTime(deps.clock.now())) };
  });
  if (outcome.type === "put") return String(outcome.stored.revision);
  return outcome.type === "keep" && outcome.current ? String(outcome.current.revision) : "";
}

function isDisrupted({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === "DisruptionTarget" && is === "True") ?? false;
}

function withDisruption(pod: Pod, now: string): Pod {
  const others = pod.status?.conditions?.filter(({ type }) => type !== "DisruptionTarget") ?? [];
  const { generation } = pod.metadata;
  const condition = {
    type: "DisruptionTarget",
    ...(generation ? { observedGeneration: generation } : {}),
    status: "True",
    reason: "EvictionByEvictionAPI",
    message: "Eviction API: evicting",
    lastTransitionTime: now,
  };
  pod.status = { ...pod.status, conditions: [...others, condition] };
  return pod;
}

// What may change in a pod once it exists: images, a shorter deadline, more tolerations, fewer scheduling gates.
import type { Affinity, Container, Pod, PodSpec, Toleration } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { isInRange } from "../../validation/names.ts";
import { type FieldPath, forbiddenField, invalidAll, invalidValue, itemErrors, root } from "../../validation/path.ts";
import { nodeAffinityErrors } from "./validate-affinity-update.ts";
import { validateMirrorUpdate } from "./validate-annotations.ts";

/**
 * Answers 422 for any other change. What a running container was started with cannot be altered under it; resources
 * and ephemeral containers have subresources of their own.
 */
export function validatePodUpdate(next: Pod, previous: Readonly<Pod>): FieldError[] {
  const path = root("spec");
  // The lists are compared by position below, which needs them to be of one length.
  const counts = [
    ...sameCount(next.spec.containers, previous.spec.containers, path.child("containers")),
    ...sameCount(next.spec.initContainers, previous.spec.initContainers, path.child("initContainers")),
  ];
  const errors = [...validateMirrorUpdate(next, previous, root("metadata").child("annotations")), ...counts];
  if (counts.length) return errors;
  errors.push(...deadlineErrors(next.spec, previous.spec, path.child("activeDeadlineSeconds")));
  errors.push(...tolerationErrors(next.spec, previous.spec, path.child("tolerations")));
  const gates = gateErrors(next.spec, previous.spec, path.child("schedulingGates"));
  const gated = Boolean(previous.spec.schedulingGates?.length);
  if (gated) {
    errors.push(...nodeSelectorErrors(next.spec, previous.spec, path.child("nodeSelector")));
    errors.push(...nodeAffinityErrors(next.spec, previous.spec, path.child("affinity", "nodeAffinity")));
  }
  return [...errors, ...gates, ...otherChanges(next.spec, previous.spec, gated, path)];
}

function sameCount(
  next: readonly Container[] | undefined,
  previous: readonly Container[] | undefined,
  path: FieldPath,
) {
  if ((next ?? []).length === (previous ?? []).length) return [];
  return [forbiddenField(path, "pod updates may not add or remove containers")];
}

/** A deadline may be set, and shortened. */
function deadlineErrors(next: PodSpec, previous: Readonly<PodSpec>, path: FieldPath): FieldError[] {
  const after = next.activeDeadlineSeconds;
  const before = previous.activeDeadlineSeconds;
  if (after === undefined) {
    const detail = "must not update from a positive integer to nil value";
    return before === undefined ? [] : [invalidValue(path, null, detail)];
  }
  const errors = invalidAll(path, after, isInRange(after, 0, 2 ** 31 - 1));
  if (errors.length || before === undefined || after <= before) return errors;
  return [invalidValue(path, after, "must be less than or equal to previous value")];
}

/** Taking a toleration away could evict the pod, and only deletion may do that. */
function tolerationErrors(next: PodSpec, previous: Readonly<PodSpec>, path: FieldPath): FieldError[] {
  const after = new Set((next.tolerations ?? []).map(textOf));
  if ((previous.tolerations ?? []).every((old) => after.has(textOf(old)))) return [];
  return [forbiddenField(path, "existing toleration can not be modified except its tolerationSeconds")];
}

/** The same for two tolerations just when they differ in nothing but their seconds. */
function textOf({ key = "", operator = "", value = "", effect = "" }: Toleration): string {
  return JSON.stringify([key, operator, value, effect]);
}

/** A new gate could come too late: the scheduler may have placed the pod already. */
function gateErrors(next: PodSpec, previous: Readonly<PodSpec>, path: FieldPath): FieldError[] {
  const known = new Set((previous.schedulingGates ?? []).map(({ name }) => name));
  return itemErrors(next.schedulingGates ?? [], ({ name }, i) =>
    known.has(name)
      ? []
      : [forbiddenField(path.index(i), `only deletion is allowed, but found new scheduling gate '${name}'`)],
  );
}

/** Before it is scheduled, a gated pod may be confined further. */
function nodeSelectorErrors(next: PodSpec, previous: Readonly<PodSpec>, path: FieldPath): FieldError[] {
  const after = next.nodeSelector ?? {};
  const kept = Object.entries(previous.nodeSelector ?? {}).every(([key, value]) => after[key] === value);
  return kept ? [] : [invalidValue(path, after, "only additions are allowed (no mutations or deletions)")];
}

// Part of upstream's message, spelled as it is there.
const MUTABLE = [
  "`spec.containers[*].image`",
  "`spec.initContainers[*].image`",
  "`spec.activeDeadlineSeconds`",
  "`spec.tolerations` (only additions to existing tolerations)",
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
].join(",");

/** Undoes what may change and compares the rest, so that a field unknown to this file counts as immutable. */
function otherChanges(next: PodSpec, previous: Readonly<PodSpec>, gated: boolean, path: FieldPath): FieldError[] {
  const munged = withAllowedChangesUndone(next, previous, gated);
  if (deepEqual(munged, previous)) return [];
  const changed = [...new Set([...Object.keys(munged), ...Object.keys(previous)])].filter(
    (field) => !deepEqual(munged[field as keyof PodSpec], previous[field as keyof PodSpec]),
  );
  const detail = changed.map((field) => describeChange(field as keyof PodSpec, munged, previous)).join("\n");
  return [forbiddenField(path, `pod updates may not change fields other than ${MUTABLE}\n${detail}`)];
}

function withAllowedChangesUndone(next: PodSpec, previous: Readonly<PodSpec>, gated: boolean): PodSpec {
  const { activeDeadlineSeconds, tolerations, schedulingGates, terminationGracePeriodSeconds } = previous;
  // Pods from before the field was validated may hold negative values, which only this can mend.
  const graceReset = next.terminationGracePeriodSeconds === 1 && (terminationGracePeriodSeconds ?? 0) < 0;
  return {
    ...next,
    activeDeadlineSeconds,
    tolerations,
    schedulingGates,
    containers: withImagesOf(next.containers, previous.containers),
    initContainers: withImagesOf(next.initContainers ?? [], previous.initContainers ?? []),
    ...(graceReset ? { terminationGracePeriodSeconds } : {}),
    ...(gated ? { nodeSelector: previous.nodeSelector, affinity: withNodeAffinityOf(next, previous) } : {}),
  };
}

function withNodeAffinityOf(next: PodSpec, previous: Readonly<PodSpec>): Affinity | undefined {
  const { nodeAffinity: _, ...others } = next.affinity ?? {};
  const before = previous.affinity?.nodeAffinity;
  // With nothing left the whole field is as absent as it was.
  if (!before && !previous.affinity && Object.keys(others).length === 0) return undefined;
  return { ...others, ...(before ? { nodeAffinity: before } : {}) };
}

function withImagesOf(next: readonly Container[], previous: readonly Container[]): Container[] {
  return next.map((container, i) => ({ ...container, image: previous[i]?.image }));
}

/** A line for the old value and one for the new, as a diff shows them. */
function describeChange(field: keyof PodSpec, next: PodSpec, previous: Readonly<PodSpec>): string {
  const show = (value: unknown) => JSON.stringify(value) ?? "null";
  return `- ${field}: ${show(previous[field])}\n+ ${field}: ${show(next[field])}`;
}

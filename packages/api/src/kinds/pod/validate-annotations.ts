// Annotations of pods that mean something to Kubernetes itself.
import type { Pod } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, forbiddenField, invalidValue } from "../../validation/path.ts";

// Set by the kubelet on the mirror of a static pod; its value is the hash of the pod's file.
const MIRROR = "kubernetes.io/config.mirror";
// Among pods that are equally ready a ReplicaSet removes the cheapest first; the cost is a 32-bit integer.
const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

/** Judges the annotations that programs of Kubernetes read; all others are the user's own. */
export function validatePodAnnotations(pod: Readonly<Pod>, path: FieldPath): FieldError[] {
  const annotations = pod.metadata.annotations ?? {};
  const errors: FieldError[] = [];
  const mirror = annotations[MIRROR];
  // A mirror shows what a kubelet runs already: the scheduler must never place it.
  if (mirror !== undefined && !pod.spec.nodeName) {
    errors.push(invalidValue(path.key(MIRROR), mirror, "must set spec.nodeName if mirror pod annotation is set"));
  }
  const cost = annotations[DELETION_COST];
  if (cost !== undefined && !isInt32(cost)) {
    errors.push(invalidValue(path.key(DELETION_COST), cost, "must be a 32bit integer"));
  }
  return errors;
}

/** Whether the pod only shows what a kubelet runs from a file. */
export function isMirrorPod(pod: Readonly<Pod>): boolean {
  return pod.metadata.annotations?.[MIRROR] !== undefined;
}

/** A pod cannot become a static pod's mirror, or cease to be one. */
export function validateMirrorUpdate(next: Readonly<Pod>, previous: Readonly<Pod>, path: FieldPath): FieldError[] {
  const before = previous.metadata.annotations?.[MIRROR];
  const after = next.metadata.annotations?.[MIRROR];
  if (before === after) return [];
  const verb = before === undefined ? "add" : "remove or update";
  return [forbiddenField(path.key(MIRROR), `may not ${verb} mirror pod annotation`)];
}

/** As Go's parser of integers would take it in canonical form: no plus sign, no leading zeros, no overflow. */
function isInt32(text: string): boolean {
  return /^(0|-?[1-9][0-9]*)$/.test(text) && Number(text) === (Number(text) | 0);
}

// Annotations of pods that mean something to Kubernetes itself.
import type { Pod } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, forbiddenField, invalidValue } from "../../validation/path.ts";

const MIRROR = "kubernetes.io/config.mirror";
const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";

export function validatePodAnnotations(pod: Readonly<Pod>, path: FieldPath): FieldError[] {
  const annotations = pod.metadata.annotations ?? {};
  const errors: FieldError[] = [];
  const mirror = annotations[MIRROR];
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

function isInt32(text: string): boolean {
  return /^(0|-?[1-9][0-9]*)$/.test(text) && Number(text) === (Number(text) | 0);
}

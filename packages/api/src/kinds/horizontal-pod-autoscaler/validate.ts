// Whether an autoscaler knows what to scale, between which bounds and by what.
import type { V2HorizontalPodAutoscaler, V2HorizontalPodAutoscalerSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, invalidValue, required, root } from "../../validation/path.ts";
import { nonNegative } from "../numbers.ts";
import { validateBehavior } from "./validate-behavior.ts";
import { validateMetrics } from "./validate-metrics.ts";
import { validateReference } from "./validate-reference.ts";

/** Checks the whole spec; defaults have been filled in, so that metrics are there. */
export function validateAutoscaler({ spec }: V2HorizontalPodAutoscaler): FieldError[] {
  const path = root("spec");
  if (!spec) return [required(path)];
  return [
    ...validateBounds(spec, path),
    ...validateReference(spec.scaleTargetRef, path.child("scaleTargetRef")),
    ...validateMetrics(spec.metrics ?? [], path.child("metrics"), spec.minReplicas),
    ...validateBehavior(spec.behavior, path.child("behavior")),
  ];
}

/** The controller's figures must not be negative. */
export function validateAutoscalerStatus({ status }: V2HorizontalPodAutoscaler): FieldError[] {
  return nonNegative(status ?? { desiredReplicas: 0 }, ["currentReplicas", "desiredReplicas"], root("status"));
}

/** Both bounds are positive, and the upper one is at least the lower one. */
function validateBounds({ minReplicas, maxReplicas }: V2HorizontalPodAutoscalerSpec, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (minReplicas !== undefined && minReplicas < 1) {
    errors.push(invalidValue(path.child("minReplicas"), minReplicas, "must be greater than or equal to 1"));
  }
  if (maxReplicas < 1) errors.push(invalidValue(path.child("maxReplicas"), maxReplicas, "must be greater than 0"));
  if (minReplicas !== undefined && maxReplicas < minReplicas) {
    const detail = "must be greater than or equal to `minReplicas`";
    errors.push(invalidValue(path.child("maxReplicas"), maxReplicas, detail));
  }
  return errors;
}

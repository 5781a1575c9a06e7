// How fast an autoscaler may act.
import type {
  V2HorizontalPodAutoscalerBehavior,
  V2HPAScalingPolicy,
  V2HPAScalingRules,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities } from "../../quantity.ts";
import {
  type FieldPath,
  invalidValue,
  NOT_NEGATIVE,
  NOT_POSITIVE,
  notSupported,
  required,
} from "../../validation/path.ts";

// An hour and half an hour: the controller remembers its recommendations for as long.
const MAX_WINDOW_SECONDS = 3600;
const MAX_PERIOD_SECONDS = 1800;
// Of several policies the one that changes most, or least; or no scaling in this direction.
const SELECTIONS = ["Disabled", "Max", "Min"];

/** Stabilization windows, policies and tolerances of the two directions. */
export function validateBehavior(
  behavior: V2HorizontalPodAutoscalerBehavior | undefined,
  path: FieldPath,
): FieldError[] {
  return [
    ...validateRules(behavior?.scaleUp, path.child("scaleUp")),
    ...validateRules(behavior?.scaleDown, path.child("scaleDown")),
  ];
}

/** One direction. The window is how far back the controller looks for a less hasty recommendation. */
function validateRules(rules: V2HPAScalingRules | undefined, path: FieldPath): FieldError[] {
  if (!rules) return [];
  const { stabilizationWindowSeconds: seconds, selectPolicy, policies = [], tolerance } = rules;
  const errors: FieldError[] = [];
  const at = path.child("stabilizationWindowSeconds");
  if (seconds !== undefined && seconds < 0)
    errors.push(invalidValue(at, seconds, "must be greater than or equal to zero"));
  if (seconds !== undefined && seconds > MAX_WINDOW_SECONDS) {
    errors.push(invalidValue(at, seconds, `must be less than or equal to ${MAX_WINDOW_SECONDS}`));
  }
  if (selectPolicy !== undefined && !SELECTIONS.includes(selectPolicy)) {
    errors.push(notSupported(path.child("selectPolicy"), selectPolicy, SELECTIONS));
  }
  if (policies.length === 0) errors.push(required(path.child("policies"), "must specify at least one Policy"));
  for (const [i, policy] of policies.entries()) errors.push(...validatePolicy(policy, path.child("policies").index(i)));
  if (tolerance !== undefined && compareQuantities(tolerance, "0") < 0) {
    errors.push(invalidValue(path.child("tolerance"), tolerance, NOT_NEGATIVE));
  }
  return errors;
}

/** At most `value` pods, or percent, within the period. */
function validatePolicy({ type, value, periodSeconds }: V2HPAScalingPolicy, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (type !== "Pods" && type !== "Percent")
    errors.push(notSupported(path.child("type"), type ?? "", ["Percent", "Pods"]));
  if (value <= 0) errors.push(invalidValue(path.child("value"), value, NOT_POSITIVE));
  const at = path.child("periodSeconds");
  if (periodSeconds <= 0) errors.push(invalidValue(at, periodSeconds, NOT_POSITIVE));
  if (periodSeconds > MAX_PERIOD_SECONDS) {
    errors.push(invalidValue(at, periodSeconds, `must be less than or equal to ${MAX_PERIOD_SECONDS}`));
  }
  return errors;
}

// PodDisruptionBudget: how many of the selected pods may be evicted at once.

import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { podDisruptionBudgets } from "../resource-ref.ts";
import { validateConditions } from "../validation/conditions.ts";
import { optionalWord } from "../validation/field-rules.ts";
import { validateLabelSelector } from "../validation/label-selector.ts";
import { type FieldPath, invalidValue, root } from "../validation/path.ts";
import { ageColumn, column, countColumn, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { validateAtMost100Percent, validateIntOrPercent } from "./int-or-percent.ts";
import { nonNegative } from "./numbers.ts";
import { podDisruptionBudgetBeta } from "./older/pod-disruption-budget.ts";

// Nothing may be evicted until the controller has counted.
const NEW_STATUS: PodDisruptionBudgetStatus = {
  disruptionsAllowed: 0,
  currentHealthy: 0,
  desiredHealthy: 0,
  expectedPods: 0,
};

/** Asked by the eviction subresource of pods, which answers 429 while no disruption is allowed. */
export const podDisruptionBudgetKind = defineKind<PodDisruptionBudget>({
  ref: podDisruptionBudgets,
  otherVersions: [podDisruptionBudgetBeta],
  shortNames: ["pdb"],
  hasStatus: true,
  applyDefaults(budget) {
    budget.spec ??= {};
    budget.status = { ...NEW_STATUS, ...budget.status };
  },
  prepareForCreate(budget) {
    budget.status = { ...NEW_STATUS };
  },
  validate,
  validateStatusUpdate,
  columns: [
    nameColumn,
    column("Min Available", "The minimum number of pods that must be available.", ({ spec }) =>
      String(spec?.minAvailable ?? "N/A"),
    ),
    column("Max Unavailable", "The maximum number of pods that may be unavailable.", ({ spec }) =>
      String(spec?.maxUnavailable ?? "N/A"),
    ),
    countColumn(
      "Allowed Disruptions",
      "Calculated number of pods that may be disrupted at this time.",
      ({ status }) => status?.disruptionsAllowed,
    ),
    ageColumn,
  ],
});

/** An empty selector is fine: in policy/v1 it selects every pod of the namespace. */
function validate({ spec }: PodDisruptionBudget): FieldError[] {
  const path = root("spec");
  const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy } = spec ?? {};
  const errors: FieldError[] = [];
  // The two could contradict each other.
  if (minAvailable !== undefined && maxUnavailable !== undefined) {
    errors.push(invalidValue(path, spec, "minAvailable and maxUnavailable cannot be both set"));
  }
  return [
    ...errors,
    ...validateShare(minAvailable, path.child("minAvailable")),
    ...validateShare(maxUnavailable, path.child("maxUnavailable")),
    ...validateLabelSelector(selector, path.child("selector")),
    ...optionalWord(
      unhealthyPodEvictionPolicy,
      ["AlwaysAllow", "IfHealthyBudget"],
      path.child("unhealthyPodEvictionPolicy"),
    ),
  ];
}

/** A count or a share of the pods, at most all of them. */
function validateShare(value: number | string | undefined, path: FieldPath): FieldError[] {
  if (value === undefined) return [];
  return [...validateIntOrPercent(value, path), ...validateAtMost100Percent(value, path)];
}

/** The apiserver writes here too: it takes each eviction off `disruptionsAllowed` before it deletes the pod. */
function validateStatusUpdate({ status }: PodDisruptionBudget): FieldError[] {
  const path = root("status");
  const counts = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] as const;
  return [
    ...validateConditions(status?.conditions, path.child("conditions")),
    ...nonNegative(status ?? {}, counts, path),
  ];
}

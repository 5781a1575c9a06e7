// Checks of metav1.LabelSelector.
import type { LabelSelector, LabelSelectorRequirement } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { isLabelValue } from "./names.ts";
import { validateLabelName, validateLabels } from "./object-meta.ts";
import { type FieldPath, forbiddenField, invalidAll, invalidValue, itemErrors, required } from "./path.ts";

/** The syntax alone: whether the selector may be empty is for the kind to say. */
export function validateLabelSelector(selector: Readonly<LabelSelector> | undefined, path: FieldPath): FieldError[] {
  if (!selector) return [];
  return [
    ...validateLabels(selector.matchLabels, path.child("matchLabels")),
    ...itemErrors(selector.matchExpressions ?? [], (requirement, i) =>
      validateRequirement(requirement, path.child("matchExpressions").index(i)),
    ),
  ];
}

/** Whether the selector has no requirement and so selects everything. */
export function isEmptySelector(selector: Readonly<LabelSelector> | undefined): boolean {
  if (!selector) return true;
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

function validateRequirement(requirement: LabelSelectorRequirement, path: FieldPath): FieldError[] {
  const values = requirement.values ?? [];
  return [
    ...validateOperator(requirement.operator ?? "", values.length, path),
    ...validateLabelName(requirement.key ?? "", path.child("key")),
    ...itemErrors(values, (value, i) => invalidAll(path.child("values").index(i), value, isLabelValue(value))),
  ];
}

/** Label selectors have no Gt and Lt, unlike those of nodes. */
function validateOperator(operator: string, values: number, path: FieldPath): FieldError[] {
  if (operator === "In" || operator === "NotIn") {
    const detail = "must be specified when `operator` is 'In' or 'NotIn'";
    return values === 0 ? [required(path.child("values"), detail)] : [];
  }
  if (operator === "Exists" || operator === "DoesNotExist") {
    const detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
    return values > 0 ? [forbiddenField(path.child("values"), detail)] : [];
  }
  return [invalidValue(path.child("operator"), operator, "not a valid selector operator")];
}

// Tolerations of taints.
import type { Toleration } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isLabelValue } from "../../validation/names.ts";
import { validateLabelName } from "../../validation/object-meta.ts";
import { type FieldPath, invalidValue, itemErrors, notSupported } from "../../validation/path.ts";

const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/** Also judges those of RuntimeClasses. */
export function validateTolerations(tolerations: readonly Toleration[], path: FieldPath): FieldError[] {
  return itemErrors(tolerations, (toleration, i) => validateToleration(toleration, path.index(i)));
}

function validateToleration(toleration: Toleration, path: FieldPath): FieldError[] {
  const { key, operator, effect, tolerationSeconds } = toleration;
  const errors = key ? validateLabelName(key, path.child("key")) : [];
  if (!key && operator !== "Exists") {
    const detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"';
    errors.push(invalidValue(path.child("operator"), operator ?? "", detail));
  }
  // Only NoExecute evicts, after that time.
  if (tolerationSeconds !== undefined && effect !== "NoExecute") {
    const detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
    errors.push(invalidValue(path.child("effect"), effect ?? "", detail));
  }
  errors.push(...validateValue(toleration, path.child("operator")));
  if (effect && !EFFECTS.includes(effect)) errors.push(notSupported(path.child("effect"), effect, EFFECTS));
  return errors;
}

function validateValue(toleration: Toleration, path: FieldPath): FieldError[] {
  const { operator, value = "" } = toleration;
  switch (operator) {
    // No operator means Equal.
    case undefined:
    case "":
    case "Equal": {
      const messages = isLabelValue(value);
      return messages.length ? [invalidValue(path, value, messages.join(";"))] : [];
    }
    case "Exists":
      return value ? [invalidValue(path, toleration, "value must be empty when `operator` is 'Exists'")] : [];
    default:
      return [notSupported(path, operator, ["Equal", "Exists"])];
  }
}

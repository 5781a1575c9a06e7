// Checks of metav1.Condition lists.
import type { Condition } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { validateLabelName } from "./object-meta.ts";
import { duplicate, type FieldPath, invalidValue, itemErrors, notSupported, required, tooLong } from "./path.ts";

const STATUSES = ["False", "True", "Unknown"];
// A word for programs, where the message is a sentence for people.
const REASON_RE = /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/;
const REASON_MESSAGE =
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

/** The form that newer kinds share; older kinds have conditions of types of their own, judged where they are. */
export function validateConditions(conditions: readonly Condition[] | undefined, path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  return itemErrors(conditions ?? [], (condition, i) => {
    const at = path.index(i);
    const repeated = seen.has(condition.type) ? [duplicate(at.child("type"), condition.type)] : [];
    seen.add(condition.type);
    return [...repeated, ...validateCondition(condition, at)];
  });
}

function validateCondition(condition: Readonly<Condition>, path: FieldPath): FieldError[] {
  const errors = validateLabelName(condition.type ?? "", path.child("type"));
  if (!STATUSES.includes(condition.status)) {
    errors.push(notSupported(path.child("status"), condition.status ?? "", STATUSES));
  }
  if ((condition.observedGeneration ?? 0) < 0) {
    const detail = "must be greater than or equal to zero";
    errors.push(invalidValue(path.child("observedGeneration"), condition.observedGeneration, detail));
  }
  if (!condition.lastTransitionTime) errors.push(required(path.child("lastTransitionTime"), "must be set"));
  if (!condition.reason) errors.push(required(path.child("reason"), "must be set"));
  else if (!REASON_RE.test(condition.reason)) {
    errors.push(invalidValue(path.child("reason"), condition.reason, REASON_MESSAGE));
  }
  // The schema's own bounds, 1 KiB and 32 KiB.
  if (Buffer.byteLength(condition.reason ?? "") > 1024) errors.push(tooLong(path.child("reason"), 1024));
  if (Buffer.byteLength(condition.message ?? "") > 32768) errors.push(tooLong(path.child("message"), 32768));
  return errors;
}

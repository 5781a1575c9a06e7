// PriorityClass: a number by which pods are scheduled, and pushed aside, before others.

import type { PriorityClass } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { priorityClasses } from "../resource-ref.ts";
import { immutableField, requiredWord } from "../validation/field-rules.ts";
import { forbiddenField, root } from "../validation/path.ts";
import { ageColumn, column, countColumn, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";

// The upper half of the 32-bit numbers is for the system: its pods are never pushed aside by users' ones.
const HIGHEST_USER_PRIORITY = 1_000_000_000;
const SYSTEM_CRITICAL = 2 * HIGHEST_USER_PRIORITY;

/** The classes with the reserved prefix. */
const SYSTEM_CLASSES: ReadonlyMap<string, number> = new Map([
  ["system-node-critical", SYSTEM_CRITICAL + 1000],
  ["system-cluster-critical", SYSTEM_CRITICAL],
]);

/** Admission copies the number into the pod, so that a later change would say less than the truth. */
export const priorityClassKind = defineKind<PriorityClass>({
  ref: priorityClasses,
  otherVersions: [sameAs("v1beta1", "V1beta1PriorityClass", "v1.14", "v1.22")],
  shortNames: ["pc"],
  hasGeneration: true,
  applyDefaults(priority) {
    priority.preemptionPolicy ??= "PreemptLowerPriority";
    // Upstream writes the number whatever it is.
    priority.value ??= 0;
  },
  validateCreate: validateReserved,
  validate: ({ preemptionPolicy }) =>
    requiredWord(preemptionPolicy, ["PreemptLowerPriority", "Never"], root("preemptionPolicy")),
  validateUpdate(next, previous) {
    const errors =
      next.value === previous.value ? [] : [forbiddenField(root("value"), "may not be changed in an update.")];
    return [...errors, ...immutableField(next.preemptionPolicy, previous.preemptionPolicy, root("preemptionPolicy"))];
  },
  columns: [
    nameColumn,
    countColumn("Value", ["PriorityClass", "value"], ({ value }) => value),
    column("Global-Default", ["PriorityClass", "globalDefault"], ({ globalDefault }) => globalDefault ?? false, {
      type: "boolean",
    }),
    ageColumn,
    column("PreemptionPolicy", ["PriorityClass", "preemptionPolicy"], ({ preemptionPolicy }) => preemptionPolicy ?? ""),
  ],
});

/** Only the two system classes, with their own numbers, may have the prefix. */
function validateReserved(priority: PriorityClass): FieldError[] {
  const { name } = priority.metadata;
  if (name?.startsWith("system-")) {
    const known = SYSTEM_CLASSES.get(name) === priority.value && !priority.globalDefault;
    const detail =
      "priority class names with 'system-' prefix are reserved for system use only. error: " +
      `${SYSTEM_CLASSES.has(name) ? `value of ${name} PriorityClass must be ${SYSTEM_CLASSES.get(name)}` : `${name} is not a known system priority class`}`;
    return known ? [] : [forbiddenField(root("metadata").child("name"), detail)];
  }
  if ((priority.value ?? 0) <= HIGHEST_USER_PRIORITY) return [];
  const detail = `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`;
  return [forbiddenField(root("value"), detail)];
}

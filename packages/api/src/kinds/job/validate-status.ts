// What a controller may write into the status of a Job.
import type { Job, JobStatus } from "../../../generated/types.ts";
import { isConditionTrue } from "../../conditions.ts";
import type { FieldError } from "../../errors.ts";
import { immutableField } from "../../validation/field-rules.ts";
import { duplicate, type FieldPath, invalidValue, root } from "../../validation/path.ts";
import { nonNegative } from "../numbers.ts";

// The two conditions after which nothing in the status changes any more.
const FINISHED = ["Complete", "Failed"];

/** Guards against a controller, not always upstream's (`managedBy`), that would tell clients two endings of one Job. */
export function validateJobStatusUpdate(next: Job, previous: Readonly<Job>): FieldError[] {
  const path = root("status");
  const status = next.status ?? {};
  const before = previous.status ?? {};
  return [
    ...nonNegative(status, ["active", "succeeded", "failed", "ready", "terminating"], path),
    ...validateUncounted(status, path.child("uncountedTerminatedPods")),
    ...validateFinish(status, before, path),
    ...validateReadyPods(status, path),
  ];
}

/** A Job ends once, in one way, and what it counted then stays. */
function validateFinish(status: JobStatus, before: Readonly<JobStatus>, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const has = (type: string) => isConditionTrue(status.conditions, type);
  const had = (type: string) => isConditionTrue(before.conditions, type);
  const at = path.child("conditions");
  if (has("Complete") && has("Failed")) {
    errors.push(invalidValue(at, status.conditions, "cannot set Complete=True and Failed=true conditions"));
  }
  if (has("Complete") && has("FailureTarget")) {
    errors.push(invalidValue(at, status.conditions, "cannot set Complete=True and FailureTarget=true conditions"));
  }
  // Clients that waited for one of these have acted on it.
  for (const type of [...FINISHED, "FailureTarget", "SuccessCriteriaMet"]) {
    if (had(type) && !has(type)) {
      errors.push(invalidValue(at, status.conditions, `cannot disable the terminal ${type}=True condition`));
    }
  }
  // A failed Job has no time of completion.
  if (status.completionTime && !has("Complete")) {
    const detail = "cannot set completionTime when there is no Complete=True condition";
    errors.push(invalidValue(path.child("completionTime"), status.completionTime, detail));
  }
  if (has("Complete") && !status.completionTime) {
    errors.push({
      type: "FieldValueRequired",
      field: path.child("completionTime").toString(),
      detail: "completionTime is required for Complete jobs",
    });
  }
  if (has("Complete") && before.completionTime) {
    errors.push(...immutableField(status.completionTime, before.completionTime, path.child("completionTime")));
  }
  if (FINISHED.some(has) && (status.active ?? 0) > 0) {
    errors.push(invalidValue(path.child("active"), status.active, "active>0 is invalid for finished job"));
  }
  if (status.startTime && status.completionTime && Date.parse(status.completionTime) < Date.parse(status.startTime)) {
    const detail = "completionTime cannot be set before startTime";
    errors.push(invalidValue(path.child("completionTime"), status.completionTime, detail));
  }
  return errors;
}

/** Ready pods are active ones. */
function validateReadyPods(status: JobStatus, path: FieldPath): FieldError[] {
  const { ready = 0, active = 0 } = status;
  if (ready <= active) return [];
  return [invalidValue(path.child("ready"), ready, "cannot set more ready pods than active")];
}

/** A pod is waiting to be counted in one list, and once. */
function validateUncounted(status: JobStatus, path: FieldPath): FieldError[] {
  const uncounted = status.uncountedTerminatedPods;
  const seen = new Set<string>();
  const errors: FieldError[] = [];
  for (const list of ["succeeded", "failed"] as const) {
    for (const [i, uid] of (uncounted?.[list] ?? []).entries()) {
      const at = path.child(list).index(i);
      if (!uid) errors.push(invalidValue(at, uid, "must not be empty"));
      else if (seen.has(uid)) errors.push(duplicate(at, uid));
      seen.add(uid);
    }
  }
  return errors;
}

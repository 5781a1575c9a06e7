// What an autoscaler scales, or measures: an object named by kind and name.
import type { V2CrossVersionObjectReference } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isPathSegmentName } from "../../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, required } from "../../validation/path.ts";

/** Neither kind nor name is looked up: the controller tells in a condition what it cannot find. */
export function validateReference(reference: V2CrossVersionObjectReference | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["kind", "name"] as const) {
    const value = reference?.[field];
    errors.push(
      ...(value ? invalidAll(path.child(field), value, isPathSegmentName(value)) : [required(path.child(field))]),
    );
  }
  if ((reference?.apiVersion ?? "").split("/").length > 2) {
    const detail = `unexpected GroupVersion string: ${reference?.apiVersion}`;
    errors.push(invalidValue(path.child("apiVersion"), reference?.apiVersion, detail));
  }
  return errors;
}

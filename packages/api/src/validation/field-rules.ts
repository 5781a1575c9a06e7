// Checks of single fields that many kinds share.
import type { FieldError } from "../errors.ts";
import { deepEqual } from "./deep-equal.ts";
import { type FieldPath, IMMUTABLE, invalidValue, notSupported, required } from "./path.ts";

/** An error when the field changed. */
export function immutableField(next: unknown, previous: unknown, path: FieldPath): FieldError[] {
  return deepEqual(next, previous) ? [] : [invalidValue(path, next ?? null, IMMUTABLE)];
}

/** One immutability check for each of the fields. */
export function immutableFields<T extends object>(
  next: Readonly<T> | undefined,
  previous: Readonly<T> | undefined,
  fields: readonly (keyof T & string)[],
  path: FieldPath,
): FieldError[] {
  return fields.flatMap((field) => immutableField(next?.[field], previous?.[field], path.child(field)));
}

/** The field must be set, and to one of the words. */
export function requiredWord(value: string | undefined, valid: readonly string[], path: FieldPath): FieldError[] {
  return value ? optionalWord(value, valid, path) : [required(path)];
}

/** The field may be absent, but must be one of the words if set. */
export function optionalWord(value: string | undefined, valid: readonly string[], path: FieldPath): FieldError[] {
  return value === undefined || valid.includes(value) ? [] : [notSupported(path, value, valid)];
}

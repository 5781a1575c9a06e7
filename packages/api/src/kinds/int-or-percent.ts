// Checks of fields that hold a count or a share, such as maxUnavailable.
import type { FieldError } from "../errors.ts";
import { isPercent } from "../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, NOT_NEGATIVE } from "../validation/path.ts";

/** A number from zero up, or a text such as "25%". */
export function validateIntOrPercent(value: number | string, path: FieldPath): FieldError[] {
  if (typeof value === "string") return invalidAll(path, value, isPercent(value));
  return value < 0 ? [invalidValue(path, value, NOT_NEGATIVE)] : [];
}

/** Numbers pass: what they are a share of is not known here. */
export function validateAtMost100Percent(value: number | string, path: FieldPath): FieldError[] {
  if (typeof value !== "string" || (figureOf(value) ?? 0) <= 100) return [];
  return [invalidValue(path, value, "must not be greater than 100%")];
}

/** The figure before the percent sign, or the number itself; undefined for other texts. */
export function figureOf(value: number | string): number | undefined {
  if (typeof value === "number") return value;
  return isPercent(value).length > 0 ? undefined : Number.parseInt(value, 10);
}

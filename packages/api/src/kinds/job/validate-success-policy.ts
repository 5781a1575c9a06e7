// Job.spec.successPolicy: which indexes, or how many, must succeed for the Job to have succeeded.
import type { JobSpec, SuccessPolicyRule } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, invalidValue, required, tooLong, tooMany } from "../../validation/path.ts";
import { nonNegative } from "../numbers.ts";
import { countIndexes, IndexListError } from "./index-list.ts";

const MAX_RULES = 20;
// A list of many single indexes still has to fit an object in etcd.
const MAX_INDEXES_BYTES = 64 * 1024;

/** Any one of the rules is enough; asked only for Jobs whose mode is Indexed. */
export function validateSuccessPolicy(spec: JobSpec, path: FieldPath): FieldError[] {
  const rules = spec.successPolicy?.rules ?? [];
  const at = path.child("rules");
  if (rules.length === 0) {
    const detail = "at least one rules must be specified when the successPolicy is specified";
    return [required(at, detail)];
  }
  return [
    ...(rules.length > MAX_RULES ? [tooMany(at, rules.length, MAX_RULES)] : []),
    ...rules.flatMap((rule, i) => validateRule(spec, rule, at.index(i))),
  ];
}

/** Indexes, a count, or so many out of those indexes. */
function validateRule(spec: JobSpec, rule: SuccessPolicyRule, path: FieldPath): FieldError[] {
  const { succeededCount: count, succeededIndexes: indexes } = rule;
  if (count === undefined && indexes === undefined) {
    return [required(path, "at least one of succeededCount or succeededIndexes must be specified")];
  }
  const completions = spec.completions ?? 0;
  const errors: FieldError[] = [];
  let total: number | undefined;
  if (indexes !== undefined) {
    const at = path.child("succeededIndexes");
    if (indexes.length > MAX_INDEXES_BYTES) errors.push(tooLong(at, MAX_INDEXES_BYTES));
    try {
      // The parser's words end up in the error.
      total = countIndexes(indexes, completions);
    } catch (error) {
      if (!(error instanceof IndexListError)) throw error;
      errors.push(invalidValue(at, indexes, `error parsing succeededIndexes: ${error.message}`));
    }
  }
  if (count === undefined) return errors;
  const at = path.child("succeededCount");
  errors.push(...nonNegative({ count }, ["count"], at, true));
  if (count > completions) {
    errors.push(
      invalidValue(at, count, `must be less than or equal to ${completions} (the number of specified completions)`),
    );
  }
  if (total !== undefined && count > total) {
    const detail = `must be less than or equal to ${total} (the number of indexes in the specified succeededIndexes field)`;
    errors.push(invalidValue(at, count, detail));
  }
  return errors;
}

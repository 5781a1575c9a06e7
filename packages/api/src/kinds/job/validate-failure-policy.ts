// Job.spec.podFailurePolicy: which failures of pods count, and which end the Job at once.
import type {
  JobSpec,
  PodFailurePolicyOnExitCodesRequirement,
  PodFailurePolicyOnPodConditionsPattern,
  PodFailurePolicyRule,
} from "../../../generated/types.ts";
import { type FieldError, OMITTED_VALUE } from "../../errors.ts";
import { validateLabelName } from "../../validation/object-meta.ts";
import { duplicate, type FieldPath, invalidValue, notSupported, required, tooMany } from "../../validation/path.ts";

// Upstream's bounds: the rules are tried in order for every pod that fails.
const MAX_RULES = 20;
const MAX_EXIT_CODES = 255;
const MAX_PATTERNS = 20;
const ACTIONS = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS = ["In", "NotIn"];
const STATUSES = ["False", "True", "Unknown"];

/** Checks each rule: what it looks at (exit codes or pod conditions, not both) and what it does. */
export function validatePodFailurePolicy(spec: JobSpec, path: FieldPath): FieldError[] {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const at = path.child("rules");
  const pod = spec.template?.spec;
  const containers = new Set([...(pod?.containers ?? []), ...(pod?.initContainers ?? [])].map(({ name }) => name));
  return [
    ...(rules.length > MAX_RULES ? [tooMany(at, rules.length, MAX_RULES)] : []),
    ...rules.flatMap((rule, i) => validateRule(spec, rule, containers, at.index(i))),
  ];
}

/** FailIndex ends one index of an Indexed Job, FailJob all of them; Ignore does not count the failure. */
function validateRule(
  spec: JobSpec,
  rule: PodFailurePolicyRule,
  containers: ReadonlySet<string>,
  path: FieldPath,
): FieldError[] {
  const errors = wordErrors(rule.action, ACTIONS, path.child("action"));
  if (rule.action === "FailIndex" && spec.backoffLimitPerIndex === undefined) {
    errors.push(invalidValue(path.child("action"), rule.action, "requires the backoffLimitPerIndex to be set"));
  }
  const patterns = rule.onPodConditions ?? [];
  if (rule.onExitCodes) errors.push(...validateExitCodes(rule.onExitCodes, containers, path.child("onExitCodes")));
  if (patterns.length > 0) errors.push(...validatePatterns(patterns, path.child("onPodConditions")));
  if (rule.onExitCodes && patterns.length > 0) {
    const detail = "specifying both OnExitCodes and OnPodConditions is not supported";
    errors.push(invalidValue(path, OMITTED_VALUE, detail));
  }
  if (!rule.onExitCodes && patterns.length === 0) {
    const detail = "specifying one of OnExitCodes and OnPodConditions is required";
    errors.push(invalidValue(path, OMITTED_VALUE, detail));
  }
  return errors;
}

/** Of one container, or of any where none is named. */
function validateExitCodes(
  requirement: PodFailurePolicyOnExitCodesRequirement,
  containers: ReadonlySet<string>,
  path: FieldPath,
): FieldError[] {
  const { operator, containerName, values = [] } = requirement;
  const errors = wordErrors(operator, OPERATORS, path.child("operator"));
  if (containerName !== undefined && !containers.has(containerName)) {
    const detail = "must be one of the container or initContainer names in the pod template";
    errors.push(invalidValue(path.child("containerName"), containerName, detail));
  }
  const at = path.child("values");
  if (values.length === 0) errors.push(invalidValue(at, values, "at least one value is required"));
  else if (values.length > MAX_EXIT_CODES) errors.push(tooMany(at, values.length, MAX_EXIT_CODES));
  const seen = new Set<number>();
  for (const [i, value] of values.entries()) {
    // Zero is success, which no failure policy is asked about.
    if (operator === "In" && value === 0) {
      errors.push(invalidValue(at.index(i), value, "must not be 0 for the In operator"));
    }
    if (seen.has(value)) errors.push(duplicate(at.index(i), value));
    seen.add(value);
  }
  if (values.some((value, i) => i > 0 && value < (values[i - 1] ?? value))) {
    errors.push(invalidValue(at, values, "must be ordered"));
  }
  return errors;
}

/** Conditions such as DisruptionTarget, which tell a failure from an eviction. */
function validatePatterns(patterns: readonly PodFailurePolicyOnPodConditionsPattern[], path: FieldPath): FieldError[] {
  return [
    ...(patterns.length > MAX_PATTERNS ? [tooMany(path, patterns.length, MAX_PATTERNS)] : []),
    ...patterns.flatMap(({ type, status }, i) => [
      ...validateLabelName(type, path.index(i).child("type")),
      ...wordErrors(status, STATUSES, path.index(i).child("status")),
    ]),
  ];
}

/** A missing word and a wrong one have different errors upstream. */
function wordErrors(value: string | undefined, valid: readonly string[], path: FieldPath): FieldError[] {
  if (!value) return [required(path, `valid values: [${valid.map((word) => JSON.stringify(word)).join(" ")}]`)];
  return valid.includes(value) ? [] : [notSupported(path, value, valid)];
}

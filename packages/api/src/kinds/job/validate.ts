// Whether a Job makes sense, and what of it may change.
import type { Job, JobSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { selectorOf } from "../../labels.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { immutableField, immutableFields, optionalWord } from "../../validation/field-rules.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { isDomainPrefixedPath } from "../../validation/names.ts";
import {
  type FieldPath,
  invalidAll,
  invalidValue,
  notSupported,
  required,
  root,
  tooLong,
} from "../../validation/path.ts";
import { nonNegative } from "../numbers.ts";
import { validatePodTemplate } from "../pod-template-rules.ts";
import { validatePodFailurePolicy } from "./validate-failure-policy.ts";
import { validateSuccessPolicy } from "./validate-success-policy.ts";

// Upstream's bound on the pods, and on the failed indexes, that the controller tracks at once.
const MAX_INDEXED_PARALLELISM = 100_000;
const MAX_MANAGED_BY = 63;
// The labels that the server writes on creation, and the part of the Job's metadata that each repeats.
const GENERATED_LABELS: readonly (readonly [string, "uid" | "name"])[] = [
  ["controller-uid", "uid"],
  ["job-name", "name"],
  ["batch.kubernetes.io/controller-uid", "uid"],
  ["batch.kubernetes.io/job-name", "name"],
];

/** Judges a whole Job, of which the server has made the selector by now. */
export function validateJob(job: Job): FieldError[] {
  const spec = job.spec ?? ({} as JobSpec);
  return [...validateGeneratedSelector(job, spec), ...validateSpecWithSelector(spec, root("spec"))];
}

/**
 * Pods of one Job must be alike, so that the template is fixed, and what counts them as well. Parallelism, limits,
 * deadlines and `suspend` may change at any time.
 */
export function validateJobUpdate(next: Job, previous: Readonly<Job>): FieldError[] {
  const path = root("spec");
  const { spec: after = {} as JobSpec } = next;
  const { spec: before = {} as JobSpec } = previous;
  return [
    ...validateCompletionsUpdate(after, before, path.child("completions")),
    ...immutableField(after.selector, before.selector, path.child("selector")),
    ...validateTemplateUpdate(after, previous, path.child("template")),
    ...immutableFields(
      after,
      before,
      ["completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"],
      path,
    ),
  ];
}

/** The rules that the templates of CronJobs share, which have no selector yet. */
export function validateJobSpec(spec: JobSpec, path: FieldPath): FieldError[] {
  const counts = [
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
  ] as const;
  return [
    ...nonNegative(spec, counts, path),
    ...validateFailedIndexes(spec, path),
    ...validateManagedBy(spec.managedBy, path.child("managedBy")),
    ...validateCompletionMode(spec, path),
    ...(spec.podFailurePolicy ? validatePodFailurePolicy(spec, path.child("podFailurePolicy")) : []),
    ...(spec.successPolicy ? validateSuccess(spec, path.child("successPolicy")) : []),
    ...validateReplacement(spec, path.child("podReplacementPolicy")),
    ...validatePodTemplate(spec.template ?? {}, path.child("template")),
    ...validateRestartPolicy(spec, path.child("template", "spec", "restartPolicy")),
  ];
}

/** What a Job has beyond a CronJob's template: a selector that finds its own pods. */
function validateSpecWithSelector(spec: JobSpec, path: FieldPath): FieldError[] {
  const errors = validateJobSpec(spec, path);
  const at = path.child("selector");
  if (!spec.selector) return [...errors, required(at)];
  // A selector that misses its own pods would make the controller create pods for ever.
  const wrong = validateLabelSelector(spec.selector, at);
  errors.push(...wrong);
  const labels = spec.template?.metadata?.labels ?? {};
  if (wrong.length === 0 && !selectorOf(spec.selector).matches(labels)) {
    const labelPath = path.child("template", "metadata", "labels");
    errors.push(invalidValue(labelPath, labels, "`selector` does not match template `labels`"));
  }
  return errors;
}

/** The labels that the server put on the template must not have been something else before. */
function validateGeneratedSelector({ metadata }: Job, spec: JobSpec): FieldError[] {
  if (spec.manualSelector || !spec.selector) return [];
  const path = root("spec").child("template", "metadata", "labels");
  const labels = spec.template?.metadata?.labels ?? {};
  const expected: Record<string, string> = {};
  const errors: FieldError[] = [];
  for (const [key, source] of GENERATED_LABELS) {
    const value = metadata[source] ?? "";
    expected[key] = value;
    const detail = `must be '${value}'`;
    if (labels[key] === undefined) errors.push(required(path.key(key), detail));
    else if (labels[key] !== value) errors.push(invalidValue(path.key(key), labels, detail));
  }
  if (validateLabelSelector(spec.selector, path).length > 0) return errors;
  if (selectorOf(spec.selector).matches(expected)) return errors;
  return [...errors, invalidValue(root("spec").child("selector"), spec.selector, "`selector` not auto-generated")];
}

/** An index can only fail for good where it has a limit of its own. */
function validateFailedIndexes(spec: JobSpec, path: FieldPath): FieldError[] {
  if (spec.maxFailedIndexes === undefined || spec.backoffLimitPerIndex !== undefined) return [];
  return [required(path.child("backoffLimitPerIndex"), "when maxFailedIndexes is specified")];
}

/** The name of a controller other than upstream's that runs this Job; the built-in one then leaves it alone. */
function validateManagedBy(manager: string | undefined, path: FieldPath): FieldError[] {
  if (manager === undefined) return [];
  const errors = invalidAll(path, manager, isDomainPrefixedPath(manager));
  return manager.length > MAX_MANAGED_BY ? [...errors, tooLong(path, MAX_MANAGED_BY)] : errors;
}

/** Indexed pods are told apart by a completion index; limits per index make no sense without. */
function validateCompletionMode(spec: JobSpec, path: FieldPath): FieldError[] {
  const mode = spec.completionMode;
  const errors = optionalWord(mode, ["NonIndexed", "Indexed"], path.child("completionMode"));
  if (mode === "Indexed") {
    if (spec.completions === undefined) {
      errors.push(required(path.child("completions"), "when completion mode is Indexed"));
    }
    if ((spec.parallelism ?? 0) > MAX_INDEXED_PARALLELISM) {
      const detail = `must be less than or equal to ${MAX_INDEXED_PARALLELISM} when completion mode is Indexed`;
      errors.push(invalidValue(path.child("parallelism"), spec.parallelism, detail));
    }
    return [...errors, ...validatePerIndexLimits(spec, path)];
  }
  for (const field of ["backoffLimitPerIndex", "maxFailedIndexes"] as const) {
    if (spec[field] === undefined) continue;
    errors.push(invalidValue(path.child(field), spec[field], "requires indexed completion mode"));
  }
  return errors;
}

/** Beyond 100,000 indexes the failed ones would no longer fit the status. */
function validatePerIndexLimits(spec: JobSpec, path: FieldPath): FieldError[] {
  const { completions, maxFailedIndexes: failed, backoffLimitPerIndex, parallelism } = spec;
  if (completions === undefined || backoffLimitPerIndex === undefined) return [];
  const errors: FieldError[] = [];
  const at = path.child("maxFailedIndexes");
  if (failed !== undefined && failed > completions) {
    errors.push(invalidValue(at, failed, "must be less than or equal to completions"));
  }
  if (failed !== undefined && failed > MAX_INDEXED_PARALLELISM) {
    errors.push(invalidValue(at, failed, `must be less than or equal to ${MAX_INDEXED_PARALLELISM}`));
  }
  if (completions <= MAX_INDEXED_PARALLELISM) return errors;
  if (failed === undefined) {
    const detail = `must be specified when completions is above ${MAX_INDEXED_PARALLELISM}`;
    return [...errors, required(at, detail)];
  }
  const limits = [
    ["parallelism", parallelism ?? 0],
    ["maxFailedIndexes", failed],
  ] as const;
  for (const [field, value] of limits) {
    const detail = `must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index`;
    if (value > 10_000) errors.push(invalidValue(path.child(field), value, detail));
  }
  return errors;
}

/** Success by index needs indexes. */
function validateSuccess(spec: JobSpec, path: FieldPath): FieldError[] {
  if (spec.completionMode === "Indexed") return validateSuccessPolicy(spec, path);
  return [invalidValue(path, spec.successPolicy, "requires indexed completion mode")];
}

/** With a failure policy a pod is replaced only after it has failed, not while it still terminates. */
function validateReplacement(spec: JobSpec, path: FieldPath): FieldError[] {
  return optionalWord(
    spec.podReplacementPolicy,
    spec.podFailurePolicy ? ["Failed"] : ["Failed", "TerminatingOrFailed"],
    path,
  );
}

/** Always is what pods get by default, so upstream reads it as nothing said. */
function validateRestartPolicy(spec: JobSpec, path: FieldPath): FieldError[] {
  const policy = spec.template?.spec?.restartPolicy ?? "";
  if (policy === "" || policy === "Always") return [required(path, 'valid values: "OnFailure", "Never"')];
  if (policy !== "OnFailure" && policy !== "Never") return [notSupported(path, policy, ["OnFailure", "Never"])];
  if (!spec.podFailurePolicy || policy === "Never") return [];
  return [invalidValue(path, policy, 'only "Never" is supported when podFailurePolicy is specified')];
}

/** An Indexed Job may grow and shrink, if parallelism follows. */
function validateCompletionsUpdate(next: JobSpec, previous: Readonly<JobSpec>, path: FieldPath): FieldError[] {
  if (next.completionMode !== "Indexed") return immutableField(next.completions, previous.completions, path);
  if (next.completions === previous.completions || next.completions === undefined) return [];
  if (next.completions === next.parallelism) return [];
  return [invalidValue(path, next.completions, "can only be modified in tandem with spec.parallelism")];
}

/** A Job that has not started may still be told where its pods shall go. */
function validateTemplateUpdate(next: JobSpec, previous: Readonly<Job>, path: FieldPath): FieldError[] {
  const before = previous.spec?.template;
  const waiting = previous.spec?.suspend === true && !previous.status?.startTime;
  if (!waiting || !before) return immutableField(next.template, before, path);
  const template = structuredClone(before);
  template.metadata = { ...template.metadata };
  for (const field of ["annotations", "labels"] as const) template.metadata[field] = next.template.metadata?.[field];
  if (template.spec && next.template.spec) {
    const { affinity, nodeSelector, tolerations, schedulingGates } = next.template.spec;
    const nodeAffinity = affinity?.nodeAffinity;
    const rest = { ...template.spec.affinity, nodeAffinity };
    const empty = Object.values(rest).every((part) => part === undefined);
    Object.assign(template.spec, { nodeSelector, tolerations, schedulingGates });
    template.spec.affinity = empty && !affinity ? undefined : rest;
  }
  return deepEqual(next.template, template) ? [] : immutableField(next.template, before, path);
}

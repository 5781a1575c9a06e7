// Pod templates inside workloads: defaults, checks, and the rule that a selector finds its own pods.
import type { Container, LabelSelector, PodTemplateSpec } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { selectorOf } from "../labels.ts";
import { isEmptySelector, validateLabelSelector } from "../validation/label-selector.ts";
import { validateAnnotations, validateLabels } from "../validation/object-meta.ts";
import { type FieldPath, forbiddenField, invalidValue, notSupported, required } from "../validation/path.ts";
import { defaultPodSpec } from "./pod/defaults.ts";
import { validatePodSpec } from "./pod/validate-spec.ts";

export function defaultPodTemplate(template: PodTemplateSpec): void {
  template.metadata ??= {};
  template.spec ??= { containers: [] };
  defaultPodSpec(template.spec);
}

/** The template of pods that are kept running: selected by their owner and always restarted. */
export function validateReplicaTemplate(
  template: PodTemplateSpec | undefined,
  selector: LabelSelector | undefined,
  kind: string,
  path: FieldPath,
): FieldError[] {
  if (!template) return [required(path)];
  return [...selectorErrors(template, selector, path), ...validateTemplateOf(template, kind, path)];
}

/** The template of pods that are always restarted, whatever selects them. */
export function validateTemplateOf(template: PodTemplateSpec, kind: string, path: FieldPath): FieldError[] {
  const errors = validatePodTemplate(template, path);
  if (template.spec?.restartPolicy !== "Always") {
    errors.push(notSupported(path.child("spec", "restartPolicy"), template.spec?.restartPolicy ?? "", ["Always"]));
  }
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    const detail = `activeDeadlineSeconds in ${kind} is not Supported`;
    errors.push(forbiddenField(path.child("spec", "activeDeadlineSeconds"), detail));
  }
  return errors;
}

/** The selector of a workload, which must select something. */
export function validateWorkloadSelector(selector: LabelSelector | undefined, path: FieldPath): FieldError[] {
  if (!selector) return [required(path)];
  const errors = validateLabelSelector(selector, path);
  // Upstream's words for every workload, ReplicaSets too.
  if (isEmptySelector(selector)) errors.push(invalidValue(path, selector, "empty selector is invalid for deployment"));
  return errors;
}

export function validatePodTemplate(template: PodTemplateSpec, path: FieldPath): FieldError[] {
  return [
    ...validateLabels(template.metadata?.labels, path.child("labels")),
    ...validateAnnotations(template.metadata?.annotations, path.child("annotations")),
    ...validatePodSpec(template.spec ?? { containers: [] }, path.child("spec")),
  ];
}

function selectorErrors(template: PodTemplateSpec, selector: LabelSelector | undefined, path: FieldPath): FieldError[] {
  // An empty or malformed selector has its own error.
  if (isEmptySelector(selector) || validateLabelSelector(selector, path).length) return [];
  const labels = template.metadata?.labels ?? {};
  if (selectorOf(selector).matches(labels)) return [];
  return [invalidValue(path.child("metadata", "labels"), labels, "`selector` does not match template `labels`")];
}

export function templateContainers(template: PodTemplateSpec | undefined): readonly Container[] {
  return template?.spec?.containers ?? [];
}

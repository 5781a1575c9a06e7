// Pod templates inside workloads: defaults, checks, and the rule that a selector finds its own pods.
import type { Container, LabelSelector, PodTemplateSpec } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { selectorOf } from "../labels.ts";
import { isEmptySelector, validateLabelSelector } from "../validation/label-selector.ts";
import { validateAnnotations, validateLabels } from "../validation/object-meta.ts";
import { type FieldPath, forbiddenField, invalidValue, notSupported, required, root } from "../validation/path.ts";
import { defaultPodSpec } from "./pod/defaults.ts";
import { validatePodSpec } from "./pod/validate-spec.ts";

/** Fills a template in place; an absent spec becomes one without containers, which validation then refuses. */
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
  // A malformed selector has its own errors, and the template is not looked at.
  if (isMalformedSelector(selector)) return [];
  return [...selectorErrors(template, selector, path), ...validateTemplateOf(template, kind, path)];
}

/** The template of pods that are always restarted, whatever selects them. */
export function validateTemplateOf(template: PodTemplateSpec, kind: string, path: FieldPath): FieldError[] {
  const errors = validatePodTemplate(template, path);
  if (template.spec?.restartPolicy !== "Always") {
    errors.push(notSupported(path.child("spec", "restartPolicy"), template.spec?.restartPolicy ?? "", ["Always"]));
  }
  // A pod that ends by itself would be replaced for ever.
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
  if (isMalformedSelector(selector)) errors.push(invalidValue(path, selector, "invalid label selector"));
  return errors;
}

/** Whether the selector cannot be made into one that matches anything. */
export function isMalformedSelector(selector: LabelSelector | undefined): boolean {
  return validateLabelSelector(selector, root()).length > 0;
}

/** What all templates are held to, those of Jobs included. */
export function validatePodTemplate(template: PodTemplateSpec, path: FieldPath): FieldError[] {
  const ephemeral = template.spec?.ephemeralContainers?.length;
  return [
    ...validateLabels(template.metadata?.labels, path.child("labels")),
    ...validateAnnotations(template.metadata?.annotations, path.child("annotations")),
    ...validatePodSpec(template.spec ?? { containers: [] }, path.child("spec")),
    ...(ephemeral
      ? [forbiddenField(path.child("spec", "ephemeralContainers"), "ephemeral containers not allowed in pod template")]
      : []),
  ];
}

function selectorErrors(template: PodTemplateSpec, selector: LabelSelector | undefined, path: FieldPath): FieldError[] {
  // An empty selector has its own error.
  if (isEmptySelector(selector)) return [];
  const labels = template.metadata?.labels ?? {};
  if (selectorOf(selector).matches(labels)) return [];
  return [invalidValue(path.child("metadata", "labels"), labels, "`selector` does not match template `labels`")];
}

/** The containers for the columns of `-o wide`; none where the template is missing. */
export function templateContainers(template: PodTemplateSpec | undefined): readonly Container[] {
  return template?.spec?.containers ?? [];
}

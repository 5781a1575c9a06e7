// Turns matchLabelKeys and mismatchLabelKeys into requirements on the pod's own values, once, when the pod is made.
import type { LabelSelector, LabelSelectorRequirement, Pod, PodAffinityTerm } from "../../../generated/types.ts";
import { deepEqual } from "../../validation/deep-equal.ts";

/** Changes the pod's selectors in place. A key that is no label of the pod is passed over. */
export function mergeLabelKeys(pod: Pod): void {
  const labels = pod.metadata.labels ?? {};
  for (const term of affinityTerms(pod)) {
    merge(term.labelSelector, term.matchLabelKeys, "In", labels);
    merge(term.labelSelector, term.mismatchLabelKeys, "NotIn", labels);
  }
  for (const constraint of pod.spec.topologySpreadConstraints ?? []) {
    merge(constraint.labelSelector, constraint.matchLabelKeys, "In", labels);
  }
}

/** Whether a requirement may stem from a key above, so that it does not contradict that key. */
export function isMergedRequirement({ operator, values }: LabelSelectorRequirement): boolean {
  return operator === "In" && values?.length === 1;
}

function* affinityTerms(pod: Pod): Generator<PodAffinityTerm> {
  const { podAffinity, podAntiAffinity } = pod.spec.affinity ?? {};
  for (const affinity of [podAffinity, podAntiAffinity]) {
    yield* affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    for (const { podAffinityTerm } of affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []) {
      if (podAffinityTerm) yield podAffinityTerm;
    }
  }
}

function merge(
  selector: LabelSelector | undefined,
  keys: readonly string[] | undefined,
  operator: "In" | "NotIn",
  labels: Readonly<Record<string, string>>,
): void {
  if (!selector || !keys) return;
  for (const key of keys) {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (value === undefined) continue;
    const requirement = { key, operator, values: [value] };
    const known = selector.matchExpressions ?? [];
    // The writer may have said the same.
    if (!known.some((existing) => deepEqual(existing, requirement)))
      selector.matchExpressions = [...known, requirement];
  }
}

// Affinity to nodes and to other pods.
import type {
  Affinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinity,
  PodAffinityTerm,
  PreferredSchedulingTerm,
  WeightedPodAffinityTerm,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { isDns1123Label, isDns1123Subdomain, isLabelValue } from "../../validation/names.ts";
import { validateLabelName } from "../../validation/object-meta.ts";
import {
  allErrors,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  itemErrors,
  required,
} from "../../validation/path.ts";

// "IgnoredDuringExecution": a pod that runs stays where it is when labels change.
const REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution";

/** Checks the three affinities; an absent one is fine. Also used for the templates of workloads. */
export function validateAffinity(affinity: Affinity | undefined, path: FieldPath): FieldError[] {
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {};
  const errors: FieldError[] = [];
  if (nodeAffinity) {
    const at = path.child("nodeAffinity");
    const wanted = nodeAffinity[REQUIRED];
    if (wanted) errors.push(...validateNodeSelector(wanted, at.child(REQUIRED)));
    errors.push(...validatePreferences(nodeAffinity[PREFERRED] ?? [], at.child(PREFERRED)));
  }
  return allErrors(
    errors,
    validatePodAffinity(podAffinity, path.child("podAffinity")),
    validatePodAffinity(podAntiAffinity, path.child("podAntiAffinity")),
  );
}

/** Also judges the node affinity of PersistentVolumes. At least one term: an empty list would match no node at all. */
export function validateNodeSelector(selector: NodeSelector, path: FieldPath): FieldError[] {
  const terms = selector.nodeSelectorTerms ?? [];
  const at = path.child("nodeSelectorTerms");
  if (terms.length === 0) return [required(at, "must have at least one node selector term")];
  return itemErrors(terms, (term, i) => validateNodeTerm(term, at.index(i)));
}

/** The scheduler adds up the weights of all preferences that a node meets. */
function validatePreferences(terms: readonly PreferredSchedulingTerm[], path: FieldPath): FieldError[] {
  return itemErrors(terms, ({ weight, preference }, i) =>
    allErrors(
      validateWeight(weight, path.index(i)),
      validateNodeTerm(preference ?? {}, path.index(i).child("preference")),
    ),
  );
}

function validateWeight(weight: number | undefined, path: FieldPath): FieldError[] {
  const value = weight ?? 0;
  return value >= 1 && value <= 100 ? [] : [invalidValue(path.child("weight"), value, "must be in the range 1-100")];
}

/** A node meets a term if it meets every requirement in it; it needs to meet one term only. */
function validateNodeTerm(term: NodeSelectorTerm, path: FieldPath): FieldError[] {
  return allErrors(
    itemErrors(term.matchExpressions ?? [], (r, i) => validateExpression(r, path.child("matchExpressions").index(i))),
    itemErrors(term.matchFields ?? [], (r, i) => validateField(r, path.child("matchFields").index(i))),
  );
}

function validateExpression(requirement: NodeSelectorRequirement, path: FieldPath): FieldError[] {
  const values = requirement.values ?? [];
  return allErrors(
    validateOperator(requirement.operator ?? "", values, path),
    validateLabelName(requirement.key ?? "", path.child("key")),
    itemErrors(values, (value, i) => invalidAll(path.child("values").index(i), value, isLabelValue(value))),
  );
}

function validateOperator(operator: string, values: readonly string[], path: FieldPath): FieldError[] {
  const at = path.child("values");
  switch (operator) {
    case "In":
    case "NotIn":
      return values.length ? [] : [required(at, "must be specified when `operator` is 'In' or 'NotIn'")];
    case "Exists":
    case "DoesNotExist": {
      const detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
      return values.length ? [forbiddenField(at, detail)] : [];
    }
    // Both sides are read as integers; which one to compare with must be plain.
    case "Gt":
    case "Lt":
      return values.length === 1
        ? []
        : [required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'")];
    default:
      return [invalidValue(path.child("operator"), operator, "not a valid selector operator")];
  }
}

/** The only field of nodes that can be selected by is their name. */
function validateField({ key, operator, values = [] }: NodeSelectorRequirement, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (operator !== "In" && operator !== "NotIn") {
    errors.push(invalidValue(path.child("operator"), operator ?? "", "not a valid selector operator"));
  } else if (values.length !== 1) {
    const detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
    errors.push(required(path.child("values"), detail));
  }
  if (key !== "metadata.name") {
    return [...errors, invalidValue(path.child("key"), key ?? "", "not a valid field selector key")];
  }
  for (const [i, name] of values.entries()) {
    errors.push(...invalidAll(path.child("values").index(i), name, isDns1123Subdomain(name)));
  }
  return errors;
}

/** Affinity and anti-affinity have the same shape, so that one check serves both. */
function validatePodAffinity(affinity: PodAffinity | undefined, path: FieldPath): FieldError[] {
  const wanted = affinity?.[REQUIRED] ?? [];
  const preferred: readonly WeightedPodAffinityTerm[] = affinity?.[PREFERRED] ?? [];
  return [
    ...itemErrors(wanted, (term, i) => validatePodTerm(term, path.child(REQUIRED).index(i))),
    ...itemErrors(preferred, ({ weight, podAffinityTerm }, i) => {
      const at = path.child(PREFERRED).index(i);
      // Without a term the error names the missing topology key, as upstream's does.
      const term = podAffinityTerm ?? { topologyKey: "" };
      return [...validateWeight(weight, at), ...validatePodTerm(term, at.child("podAffinityTerm"))];
    }),
  ];
}

/** The topology key is the node label whose value says which nodes count as "the same place". */
function validatePodTerm(term: PodAffinityTerm, path: FieldPath): FieldError[] {
  const errors = [
    ...validateLabelSelector(term.labelSelector, path.child("labelSelector")),
    ...validateLabelSelector(term.namespaceSelector, path.child("namespaceSelector")),
    ...itemErrors(term.namespaces ?? [], (name) => invalidAll(path.child("namespace"), name, isDns1123Label(name))),
    ...validateLabelKeys(term, path),
  ];
  if (!term.topologyKey) errors.push(required(path.child("topologyKey"), "can not be empty"));
  return [...errors, ...validateLabelName(term.topologyKey ?? "", path.child("topologyKey"))];
}

/**
 * On creation, values of the pod's own labels under these keys are merged into the selector, which must therefore
 * exist. That tells one rollout's pods from another's (pod-template-hash). A key in both lists would match no pod.
 */
function validateLabelKeys(term: PodAffinityTerm, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const mismatch = new Set(term.mismatchLabelKeys);
  for (const field of ["matchLabelKeys", "mismatchLabelKeys"] as const) {
    for (const [i, key] of (term[field] ?? []).entries()) {
      const at = path.child(field).index(i);
      errors.push(...validateLabelName(key, at));
      if (!term.labelSelector)
        errors.push(forbiddenField(path.child(field), "must not be specified when labelSelector is not set"));
      if (field === "matchLabelKeys" && mismatch.has(key)) {
        errors.push(invalidValue(at, key, "exists in both matchLabelKeys and mismatchLabelKeys"));
      }
    }
  }
  return errors;
}

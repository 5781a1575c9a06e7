// Constraints on how pods spread over zones and nodes.
import type { TopologySpreadConstraint } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { validateLabelSelector } from "../../validation/label-selector.ts";
import { validateLabelName } from "../../validation/object-meta.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidValue,
  itemErrors,
  NOT_POSITIVE,
  notSupported,
  required,
} from "../../validation/path.ts";
import { isMergedRequirement } from "./match-label-keys.ts";

// A condition for the scheduler to keep, or one to prefer.
const ACTIONS = ["DoNotSchedule", "ScheduleAnyway"];
// Whether nodes count that the pod could not use, or whose taints it does not tolerate.
const POLICIES = ["Honor", "Ignore"];

/** One constraint of each sort per topology; two would contradict or repeat each other. */
export function validateTopologySpread(
  constraints: readonly TopologySpreadConstraint[],
  path: FieldPath,
): FieldError[] {
  const seen = new Set<string>();
  return itemErrors(constraints, (constraint, i) => {
    const at = path.index(i);
    const errors = validateConstraint(constraint, at);
    const pair = `{${constraint.topologyKey}, ${constraint.whenUnsatisfiable}}`;
    if (seen.has(pair)) errors.push(duplicate(at.child("{topologyKey, whenUnsatisfiable}"), pair));
    seen.add(pair);
    return errors;
  });
}

/** `maxSkew` is how many more pods one domain may have than the emptiest; a domain is a value of the label. */
function validateConstraint(constraint: TopologySpreadConstraint, path: FieldPath): FieldError[] {
  const { maxSkew = 0, topologyKey, whenUnsatisfiable: action } = constraint;
  return [
    ...(maxSkew > 0 ? [] : [invalidValue(path.child("maxSkew"), maxSkew, NOT_POSITIVE)]),
    ...(topologyKey
      ? validateLabelName(topologyKey, path.child("topologyKey"))
      : [required(path.child("topologyKey"), "can not be empty")]),
    ...(ACTIONS.includes(action) ? [] : [notSupported(path.child("whenUnsatisfiable"), action ?? "", ACTIONS)]),
    ...validateMinDomains(constraint, path.child("minDomains")),
    ...validatePolicies(constraint, path),
    ...validateMatchLabelKeys(constraint, path.child("matchLabelKeys")),
    ...validateLabelSelector(constraint.labelSelector, path.child("labelSelector")),
  ];
}

function validateMinDomains(
  { minDomains, whenUnsatisfiable }: TopologySpreadConstraint,
  path: FieldPath,
): FieldError[] {
  if (minDomains === undefined) return [];
  const errors = minDomains > 0 ? [] : [invalidValue(path, minDomains, NOT_POSITIVE)];
  // With fewer domains than that the constraint counts the smallest as empty, which only matters where it binds.
  if (whenUnsatisfiable !== "DoNotSchedule") {
    const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
    errors.push(invalidValue(path, minDomains, detail));
  }
  return errors;
}

/** Defaults have been filled in; a write may still have another word. */
function validatePolicies(constraint: TopologySpreadConstraint, path: FieldPath): FieldError[] {
  return (["nodeAffinityPolicy", "nodeTaintsPolicy"] as const).flatMap((field) => {
    const policy = constraint[field];
    return policy === undefined || POLICIES.includes(policy) ? [] : [notSupported(path.child(field), policy, POLICIES)];
  });
}

function validateMatchLabelKeys({ matchLabelKeys = [], labelSelector }: TopologySpreadConstraint, path: FieldPath) {
  if (matchLabelKeys.length && !labelSelector) {
    return [forbiddenField(path, "must not be specified when labelSelector is not set")];
  }
  const selected = new Set([
    ...Object.keys(labelSelector?.matchLabels ?? {}),
    ...(labelSelector?.matchExpressions ?? []).filter((r) => !isMergedRequirement(r)).map(({ key }) => key),
  ]);
  return itemErrors(matchLabelKeys, (key, i) => {
    const errors = validateLabelName(key, path.index(i));
    // The key's value is the pod's own; the selector would add another condition on it.
    if (selected.has(key))
      errors.push(invalidValue(path.index(i), key, "exists in both matchLabelKeys and labelSelector"));
    return errors;
  });
}

// Whether a quota counts what can be counted, in a scope where that exists.
import type { ResourceQuota, ResourceQuotaSpec, ScopedResourceSelectorRequirement } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities, quantityMilliValue } from "../../quantity.ts";
import { immutableField } from "../../validation/field-rules.ts";
import { isQualifiedName } from "../../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, NOT_NEGATIVE, required, root } from "../../validation/path.ts";

type Amounts = Readonly<Record<string, string>> | undefined;

// Objects that quotas could count before there was `count/RESOURCE.GROUP` for every resource.
const COUNTS = new Set([
  ...["pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "persistentvolumeclaims"],
  ...["configmaps", "services.nodeports", "services.loadbalancers"],
]);
// Without a prefix a resource means its requests.
const COMPUTE = new Set(
  ["cpu", "memory", "ephemeral-storage"].flatMap((name) => [name, `requests.${name}`, `limits.${name}`]),
);
/** Beside counts, what terminating and best-effort pods are told apart by. */
const POD_SCOPES = new Set(["BestEffort", "NotBestEffort", "Terminating", "NotTerminating", "PriorityClass"]);
const SCOPES = new Set([...POD_SCOPES, "CrossNamespacePodAffinity", "VolumeAttributesClass"]);
// No pod is in both, so that the quota would count nothing.
const OPPOSITES = [
  ["BestEffort", "NotBestEffort"],
  ["Terminating", "NotTerminating"],
] as const;

/** `scopes` and `scopeSelector` narrow the pods that count; a resource that is no pod's cannot be narrowed so. */
export function validateQuota({ spec }: ResourceQuota): FieldError[] {
  const path = root("spec");
  return [
    ...validateAmounts(spec?.hard, path.child("hard")),
    ...validateScopes(spec ?? {}, path.child("scopes")),
    ...(spec?.scopeSelector?.matchExpressions ?? []).flatMap((requirement) =>
      validateRequirement(requirement, spec ?? {}, path.child("scopeSelector", "matchExpressions")),
    ),
  ];
}

/** Other scopes would make other usage; amounts may change at any time, below what is used too. */
export function validateQuotaUpdate(next: ResourceQuota, previous: Readonly<ResourceQuota>): FieldError[] {
  const sorted = (quota: Readonly<ResourceQuota>) => (quota.spec?.scopes ?? []).toSorted();
  return immutableField(sorted(next), sorted(previous), root("spec").child("scopes"));
}

/** The amounts that the quota controller counted. */
export function validateQuotaStatus({ status }: ResourceQuota): FieldError[] {
  const path = root("status");
  return [...validateAmounts(status?.hard, path.child("hard")), ...validateAmounts(status?.used, path.child("used"))];
}

function validateAmounts(amounts: Amounts, path: FieldPath): FieldError[] {
  return Object.entries(amounts ?? {}).flatMap(([resource, amount]) => {
    const at = path.key(resource);
    const errors = validateResourceName(resource, at);
    if (compareQuantities(amount, "0") < 0) errors.push(invalidValue(at, amount, NOT_NEGATIVE));
    const whole = COUNTS.has(resource) || resource.startsWith("count/");
    if (whole && quantityMilliValue(amount) % 1000 !== 0) errors.push(invalidValue(at, amount, "must be an integer"));
    return errors;
  });
}

/** A resource that the quota knows, or any with a domain: `count/jobs.batch`, `requests.example.com/gpu`. */
function validateResourceName(resource: string, path: FieldPath): FieldError[] {
  const errors = invalidAll(path, resource, isQualifiedName(resource));
  if (resource.includes("/") || isStandard(resource)) return errors;
  return [...errors, invalidValue(path, resource, "must be a standard resource for quota")];
}

/** Names that the quota itself gives a meaning; others are counted as they come. */
function isStandard(resource: string): boolean {
  if (COUNTS.has(resource) || COMPUTE.has(resource) || resource === "requests.storage") return true;
  return /^(requests\.)?hugepages-/.test(resource);
}

/** The resources of a quota that a scope cannot narrow, in order. */
function unfitFor(scope: string, { hard }: ResourceQuotaSpec): string[] {
  const names = Object.keys(hard ?? {}).sort();
  return names.filter((resource) => isStandard(resource) && !fitsScope(scope, resource));
}

/** Which resources a scope can narrow. */
function fitsScope(scope: string, resource: string): boolean {
  switch (scope) {
    case "BestEffort":
    case "CrossNamespacePodAffinity":
      return resource === "pods" || scope === "CrossNamespacePodAffinity";
    case "Terminating":
    case "NotTerminating":
    case "NotBestEffort":
    case "PriorityClass":
      return resource === "pods" || COMPUTE.has(resource) || resource === "count/pods" || /hugepages-/.test(resource);
    case "VolumeAttributesClass":
      return resource === "persistentvolumeclaims" || resource.includes("storage") || resource.startsWith("count/");
    default:
      // An unknown scope has an error of its own.
      return true;
  }
}

function validateScopes(spec: ResourceQuotaSpec, path: FieldPath): FieldError[] {
  const scopes = spec.scopes ?? [];
  const errors: FieldError[] = [];
  for (const scope of scopes) {
    if (!SCOPES.has(scope)) errors.push(invalidValue(path, scopes, "unsupported scope"));
    const unfit = unfitFor(scope, spec);
    errors.push(...unfit.map(() => invalidValue(path, scopes, "unsupported scope applied to resource")));
  }
  for (const pair of OPPOSITES) {
    if (pair.every((scope) => scopes.includes(scope))) errors.push(invalidValue(path, scopes, "conflicting scopes"));
  }
  return errors;
}

const EXISTS_ONLY =
  "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

/** By the names of upstream's internal type. */
function shownSelector({ scopeSelector }: ResourceQuotaSpec): unknown {
  const shown = ({ scopeName, operator, values }: ScopedResourceSelectorRequirement) => {
    return { ScopeName: scopeName, Operator: operator ?? "", Values: values ?? null };
  };
  return { MatchExpressions: (scopeSelector?.matchExpressions ?? []).map(shown) };
}

function validateRequirement(
  { scopeName, operator, values = [] }: ScopedResourceSelectorRequirement,
  spec: ResourceQuotaSpec,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  const name = path.child("scopeName");
  if (!SCOPES.has(scopeName)) errors.push(invalidValue(name, scopeName, "unsupported scope"));
  const unfit = unfitFor(scopeName, spec);
  errors.push(...unfit.map(() => invalidValue(path, shownSelector(spec), "unsupported scope applied to resource")));
  const valued = scopeName === "PriorityClass" || scopeName === "VolumeAttributesClass";
  if (SCOPES.has(scopeName) && !valued && operator !== "Exists") {
    errors.push(invalidValue(path.child("operator"), operator, EXISTS_ONLY));
  }
  const at = path.child("values");
  if (operator === "In" || operator === "NotIn") {
    const detail = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
    if (values.length === 0) errors.push(required(at, detail));
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    const detail = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
    if (values.length > 0) errors.push(invalidValue(at, values, detail));
  } else {
    errors.push(invalidValue(path.child("operator"), operator, "not a valid selector operator"));
  }
  return errors;
}

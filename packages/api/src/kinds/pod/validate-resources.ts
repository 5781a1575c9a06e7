// Requests and limits: known names, whole numbers where needed, and nothing requested beyond its limit.
import type { CoreV1ResourceClaim, PodSpec, ResourceRequirements } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities, quantityMilliValue } from "../../quantity.ts";
import { aggregateQuantity } from "../../scheduling/aggregate-quantity.ts";
import {
  allErrors,
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidValue,
  NOT_NEGATIVE,
  notFoundValue,
  notSupported,
  required,
} from "../../validation/path.ts";
import { isHugepages, isNative, validateContainerResourceName } from "../resource-names.ts";

type Amounts = Readonly<Record<string, string>>;

/**
 * Checks `limits`, `requests` and `claims`. Only CPU, memory and ephemeral storage may be overcommitted, that is,
 * limited above what is requested; huge pages and devices (`example.com/gpu`) exist or do not.
 * `claims` are the names of the pod's resource claims.
 */
export function validateResources(
  resources: ResourceRequirements,
  path: FieldPath,
  claims: ReadonlySet<string> = new Set(),
): FieldError[] {
  const limits = resources.limits ?? {};
  const requests = resources.requests ?? {};
  return allErrors(
    validateAmounts(limits, path.child("limits")),
    validateAmounts(requests, path.child("requests")),
    Object.entries(requests).flatMap(([name, amount]) => validateAgainstLimit(name, amount, limits, path)),
    validateHugepages({ ...limits, ...requests }, path),
    validateClaims(resources.claims ?? [], claims, path.child("claims")),
  );
}

function validateAmounts(amounts: Amounts, path: FieldPath): FieldError[] {
  return Object.entries(amounts).flatMap(([name, amount]) => {
    const at = path.key(name);
    return [...validateContainerResourceName(name, at), ...validateAmount(name, amount, at)];
  });
}

function validateAmount(name: string, amount: string, path: FieldPath): FieldError[] {
  if (compareQuantities(amount, "0") < 0) return [invalidValue(path, amount, NOT_NEGATIVE)];
  // A node offers devices in whole pieces; CPU alone is commonly written in thousandths.
  if (!isNative(name) && quantityMilliValue(amount) % 1000 !== 0) {
    return [invalidValue(path, amount, "must be an integer")];
  }
  return [];
}

function validateAgainstLimit(name: string, amount: string, limits: Amounts, path: FieldPath): FieldError[] {
  // Names are the writer's, and every object inherits a `constructor`.
  const limit = Object.hasOwn(limits, name) ? limits[name] : undefined;
  const shareable = isNative(name) && !isHugepages(name);
  if (limit === undefined) {
    const detail = "Limit must be set for non overcommitable resources";
    return shareable ? [] : [required(path.child("limits"), detail)];
  }
  const order = compareQuantities(amount, limit);
  if (!shareable && order !== 0) {
    return [invalidValue(path.child("requests"), amount, `must be equal to ${name} limit of ${limit}`)];
  }
  if (order <= 0) return [];
  return [invalidValue(path.child("requests"), amount, `must be less than or equal to ${name} limit of ${limit}`)];
}

/** Huge pages come on top of CPU or memory, and are no request on their own. */
function validateHugepages(amounts: Amounts, path: FieldPath): FieldError[] {
  const wanted = Object.keys(amounts).some(isHugepages);
  return wanted && !("cpu" in amounts) && !("memory" in amounts)
    ? [forbiddenField(path, "HugePages require cpu or memory")]
    : [];
}

/** A claim may be used by several containers, and one container may use several requests of one claim. */
function validateClaims(
  claims: readonly CoreV1ResourceClaim[],
  known: ReadonlySet<string>,
  path: FieldPath,
): FieldError[] {
  const seen = new Set<string>();
  return claims.flatMap(({ name, request }, i) => {
    if (!name) return [required(path.index(i))];
    const identity = request ? `${name}/${request}` : name;
    const errors: FieldError[] = seen.has(identity) ? [duplicate(path.index(i), identity)] : [];
    seen.add(identity);
    if (!known.has(name)) errors.push(notFoundValue(path.index(i).child("name"), name));
    return errors;
  });
}

/** Resources of the pod as a whole cover what its containers ask for. */
export function validatePodResources(spec: PodSpec, path: FieldPath): FieldError[] {
  const resources = spec.resources;
  if (!resources) return [];
  const errors = validateResources(resources, path);
  for (const list of ["limits", "requests"] as const) {
    for (const name of Object.keys(resources[list] ?? {})) {
      if (name === "cpu" || name === "memory" || isHugepages(name)) continue;
      // Devices are attached to containers, so that the pod as a whole can have none.
      errors.push(notSupported(path.child(list).key(name), name, ["cpu", "hugepages-", "memory"]));
    }
  }
  return [...errors, ...validateAggregates(spec, path), ...validateContainerLimits(spec, path)];
}

/**
 * Otherwise the scheduler would reserve less for the pod than its containers were promised. Limits are ceilings, which
 * may overlap, but not those of huge pages.
 */
function validateAggregates(spec: PodSpec, path: FieldPath): FieldError[] {
  return (["requests", "limits"] as const).flatMap((list) =>
    Object.entries(spec.resources?.[list] ?? {}).flatMap(([name, amount]) => {
      if (list === "limits" && !isHugepages(name)) return [];
      const sum = aggregateQuantity(spec, (container) => container.resources?.[list]?.[name]);
      if (sum === undefined || compareQuantities(sum, amount) <= 0) return [];
      const detail = `must be greater than or equal to aggregate container ${list} of ${sum}`;
      return [invalidValue(path.child(list).key(name), amount, detail)];
    }),
  );
}

/** Upstream's path of these errors leads through the pod's resources, odd as it reads. */
function validateContainerLimits(spec: PodSpec, path: FieldPath): FieldError[] {
  const ceilings = spec.resources?.limits ?? {};
  return (spec.containers ?? []).flatMap(({ resources }, i) =>
    Object.entries(resources?.limits ?? {}).flatMap(([name, limit]) => {
      const ceiling = Object.hasOwn(ceilings, name) ? ceilings[name] : undefined;
      if (ceiling === undefined || compareQuantities(limit, ceiling) <= 0) return [];
      const at = path.child("containers").index(i).key(name).child("limits");
      return [invalidValue(at, limit, `must be less than or equal to pod limits of ${ceiling}`)];
    }),
  );
}

/** What a runtime class adds to a pod. */
export function validateOverhead(overhead: Amounts | undefined, path: FieldPath): FieldError[] {
  // Upstream judges it as a limit without a request: CPU and memory pass, and a device passes too.
  return overhead ? validateResources({ limits: { ...overhead } }, path) : [];
}

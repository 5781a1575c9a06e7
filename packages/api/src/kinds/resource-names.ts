// Names of what can be asked for and counted: cpu, memory, huge pages, and `vendor.example/thing`.
import type { FieldError } from "../errors.ts";
import { isQualifiedName } from "../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue } from "../validation/path.ts";

// Huge pages and devices besides, whose names are open.
const CONTAINER_RESOURCES: ReadonlySet<string> = new Set(["cpu", "memory", "ephemeral-storage"]);

/** Names without a domain that mean something somewhere, such as in quotas. */
const STANDARD_RESOURCES: ReadonlySet<string> = new Set([
  ...CONTAINER_RESOURCES,
  ...[...CONTAINER_RESOURCES].flatMap((name) => [`requests.${name}`, `limits.${name}`]),
  ...["pods", "services", "secrets", "configmaps", "resourcequotas", "replicationcontrollers"],
  ...["persistentvolumeclaims", "storage", "requests.storage", "services.nodeports", "services.loadbalancers"],
]);

/** `hugepages-2Mi`: the size of a page is part of the name. */
export const isHugepages = (name: string) => name.startsWith("hugepages-");

/** Kubernetes' own resources, as opposed to `vendor.example/thing`. */
export function isNative(name: string): boolean {
  return !name.includes("/") || name.includes("kubernetes.io/");
}

/** A name that anything may have, limits and quotas included. */
export function validateResourceName(name: string, path: FieldPath): FieldError[] {
  const errors = invalidAll(path, name, isQualifiedName(name));
  if (errors.length > 0 || name.includes("/") || STANDARD_RESOURCES.has(name) || isHugepages(name)) return errors;
  return [invalidValue(path, name, "must be a standard resource type or fully qualified")];
}

/** A name that may stand in a container's requests and limits: no counts of objects, no `requests.` prefix. */
export function validateContainerResourceName(name: string, path: FieldPath): FieldError[] {
  const errors = validateResourceName(name, path);
  if (!name.includes("/")) {
    if (CONTAINER_RESOURCES.has(name) || isHugepages(name)) return errors;
    return [...errors, invalidValue(path, name, "must be a standard resource for containers")];
  }
  if (isNative(name) || isExtended(name)) return errors;
  return [...errors, invalidValue(path, name, "doesn't follow extended resource name standard")];
}

/** Quotas count them under `requests.NAME`, which must be a name as well. */
function isExtended(name: string): boolean {
  return !name.startsWith("requests.") && isQualifiedName(`requests.${name}`).length === 0;
}

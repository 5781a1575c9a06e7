// What may not change in a Service once its addresses are known to the world.
import type { Service } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, IMMUTABLE, invalidValue, root } from "../../validation/path.ts";
import { validateClusterIps } from "./validate-cluster-ips.ts";

/** Clients have cached the address, and rules of every node hold it: answers 422 to a change of it. */
export function validateServiceUpdate(next: Service, previous: Readonly<Service>): FieldError[] {
  const path = root("spec");
  // Upstream compares nothing with what makes no sense by itself, which is told already.
  if (validateClusterIps(next.spec ?? {}, path).length > 0) return validateImmutable(next, previous, path);
  return [
    ...validateAddresses(next, previous, path),
    ...validateFamilies(next, previous, path),
    ...validateImmutable(next, previous, path),
  ];
}

/** An address stays while the Service has one; the second one can come, and go as the allocator says. */
function validateAddresses(next: Service, previous: Readonly<Service>, path: FieldPath): FieldError[] {
  if (isNameOnly(previous) || isNameOnly(next)) return [];
  if (isHeadless(previous) && isHeadless(next)) return [];
  const at = path.child("clusterIPs");
  const before = addressesOf(previous);
  const after = addressesOf(next);
  if (before.length === after.length) {
    return before.flatMap((ip, i) => (ip === after[i] ? [] : [invalidValue(at.index(i), after, FIXED)]));
  }
  if (before.length > 0 && after.length === 0) {
    return [invalidValue(at.index(0), [], "primary clusterIP can not be unset")];
  }
  return before.length > 0 && after[0] !== before[0] ? [invalidValue(at.index(0), after, FIXED)] : [];
}

/** As for the addresses; headless Services have none to keep and may change. */
function validateFamilies(next: Service, previous: Readonly<Service>, path: FieldPath): FieldError[] {
  if (isNameOnly(previous) || isNameOnly(next) || isHeadless(previous) || isHeadless(next)) return [];
  const at = path.child("ipFamilies");
  const before = previous.spec?.ipFamilies ?? [];
  const after = next.spec?.ipFamilies ?? [];
  if (before.length === after.length) {
    return before.flatMap((family, i) => (family === after[i] ? [] : [invalidValue(at.index(0), after, FIXED)]));
  }
  // Families that are left out are read from the addresses, which are judged by themselves.
  if (after.length === 0) return [];
  return before.length > 0 && after[0] !== before[0] ? [invalidValue(at.index(0), after, FIXED)] : [];
}

const FIXED = "may not change once set";

const isNameOnly = ({ spec }: Readonly<Service>) => spec?.type === "ExternalName";
const isHeadless = (service: Readonly<Service>) => addressesOf(service)[0] === "None";

function addressesOf({ spec }: Readonly<Service>): string[] {
  return spec?.clusterIPs?.length ? spec.clusterIPs : [spec?.clusterIP ?? ""].filter(Boolean);
}

function validateImmutable(next: Service, previous: Readonly<Service>, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const wasLoadBalancer = previous.spec?.type === "LoadBalancer" && next.spec?.type === "LoadBalancer";
  // Another controller would take over a balancer that the first has built.
  if (wasLoadBalancer && previous.spec?.loadBalancerClass !== next.spec?.loadBalancerClass) {
    errors.push(invalidValue(path.child("loadBalancerClass"), next.spec?.loadBalancerClass ?? null, FIXED));
  }
  const health = previous.spec?.healthCheckNodePort;
  if (health && next.spec?.healthCheckNodePort && next.spec.healthCheckNodePort !== health) {
    errors.push({ ...invalidValue(path.child("healthCheckNodePort"), "", IMMUTABLE), type: "FieldValueForbidden" });
  }
  return errors;
}

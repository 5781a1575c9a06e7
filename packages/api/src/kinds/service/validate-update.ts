// What may not change in a Service once its addresses are known to the world.
import type { Service } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, IMMUTABLE, invalidValue, root } from "../../validation/path.ts";

export function validateServiceUpdate(next: Service, previous: Readonly<Service>): FieldError[] {
  const path = root("spec");
  return [...validateAddresses(next, previous, path), ...validateImmutable(next, previous, path)];
}

/** An address stays while the Service has one; it can be given up by becoming an ExternalName. */
function validateAddresses(next: Service, previous: Readonly<Service>, path: FieldPath): FieldError[] {
  if (previous.spec?.type === "ExternalName" || next.spec?.type === "ExternalName") return [];
  const before = previous.spec?.clusterIPs?.[0] ?? previous.spec?.clusterIP;
  if (!before) return [];
  const after = next.spec?.clusterIPs?.[0];
  if (after === before) return [];
  if (after === undefined)
    return [invalidValue(path.child("clusterIPs").index(0), [], "primary clusterIP can not be unset")];
  return [invalidValue(path.child("clusterIPs").index(0), next.spec?.clusterIPs, `may not change once set`)];
}

function validateImmutable(next: Service, previous: Readonly<Service>, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const family = previous.spec?.ipFamilies?.[0];
  const sameNeeds = previous.spec?.type !== "ExternalName" && next.spec?.type !== "ExternalName";
  if (sameNeeds && family && next.spec?.ipFamilies?.[0] !== family) {
    errors.push(
      invalidValue(path.child("ipFamilies").index(0), next.spec?.ipFamilies ?? [], "may not change once set"),
    );
  }
  const wasLoadBalancer = previous.spec?.type === "LoadBalancer" && next.spec?.type === "LoadBalancer";
  if (wasLoadBalancer && previous.spec?.loadBalancerClass !== next.spec?.loadBalancerClass) {
    const detail = "may not change once set";
    errors.push(invalidValue(path.child("loadBalancerClass"), next.spec?.loadBalancerClass ?? null, detail));
  }
  const health = previous.spec?.healthCheckNodePort;
  if (health && next.spec?.healthCheckNodePort && next.spec.healthCheckNodePort !== health) {
    errors.push({ ...invalidValue(path.child("healthCheckNodePort"), "", IMMUTABLE), type: "FieldValueForbidden" });
  }
  return errors;
}

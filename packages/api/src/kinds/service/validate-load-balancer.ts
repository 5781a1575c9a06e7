// The status that load balancers write into Services.
import type { LoadBalancerStatus, ServiceSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { parseIp } from "../../ip.ts";
import { isDns1123Subdomain, isValidIp } from "../../validation/names.ts";
import { type FieldPath, forbiddenField, invalidAll, invalidValue, notSupported } from "../../validation/path.ts";

const MODES = ["Proxy", "VIP"];

/** `ipMode` says whether packets keep the balancer's address (VIP) or are sent on by it (Proxy). */
export function validateLoadBalancerStatus(
  status: LoadBalancerStatus,
  spec: ServiceSpec,
  path: FieldPath,
): FieldError[] {
  const ingress = status.ingress ?? [];
  const at = path.child("ingress");
  if (ingress.length && spec.type !== "LoadBalancer") {
    return [forbiddenField(at, "may only be used when `spec.type` is LoadBalancer")];
  }
  return ingress.flatMap(({ ip, hostname, ipMode }, i) => {
    const errors = ip ? invalidAll(at.index(i).child("ip"), ip, isValidIp(ip)) : [];
    if (ip === undefined && ipMode !== undefined) {
      errors.push(forbiddenField(at.index(i).child("ipMode"), "may not be specified when `ip` is not set"));
    } else if (ipMode !== undefined && !MODES.includes(ipMode)) {
      errors.push(notSupported(at.index(i).child("ipMode"), ipMode, MODES));
    }
    return [...errors, ...validateHostname(hostname, at.index(i).child("hostname"))];
  });
}

function validateHostname(hostname: string | undefined, path: FieldPath): FieldError[] {
  if (!hostname) return [];
  const errors = invalidAll(path, hostname, isDns1123Subdomain(hostname));
  if (parseIp(hostname)) errors.push(invalidValue(path, hostname, "must be a DNS name, not an IP address"));
  return errors;
}

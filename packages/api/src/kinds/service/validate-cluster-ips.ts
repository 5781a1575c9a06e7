// The cluster addresses of a Service and their families, which the allocator fills in.
import type { ServiceSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { parseIp } from "../../ip.ts";
import { isValidIp } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidValue,
  notSupported,
  required,
  tooMany,
} from "../../validation/path.ts";

// Sorted as in upstream's messages.
const FAMILIES = ["IPv4", "IPv6"];
// What to do where the cluster has both families: take one, both if it can, or insist on both.
const POLICIES = ["PreferDualStack", "RequireDualStack", "SingleStack"];

/** At most one address of each family. "None" makes a Service headless: DNS then answers with the pods' addresses. */
export function validateClusterIps(spec: ServiceSpec, path: FieldPath): FieldError[] {
  if (spec.type === "ExternalName") return validateNone(spec, path);
  return [
    ...validateConsistency(spec, path),
    ...validateAddresses(spec.clusterIPs ?? [], path.child("clusterIPs")),
    ...validateFamilies(spec, path),
  ];
}

/** A name has no address, and so no family. */
function validateNone(spec: ServiceSpec, path: FieldPath): FieldError[] {
  const detail = "may not be set for ExternalName services";
  return [
    ...(spec.ipFamilies?.length ? [forbiddenField(path.child("ipFamilies"), detail)] : []),
    ...(spec.ipFamilyPolicy !== undefined ? [forbiddenField(path.child("ipFamilyPolicy"), detail)] : []),
  ];
}

/** `clusterIP` is the first of `clusterIPs`. */
function validateConsistency({ clusterIP = "", clusterIPs = [] }: ServiceSpec, path: FieldPath): FieldError[] {
  if (!clusterIP && clusterIPs.length) {
    return [invalidValue(path.child("clusterIPs"), clusterIPs, "must be empty when `clusterIP` is not specified")];
  }
  if (!clusterIP) return [];
  if (clusterIPs.length === 0) return [required(path.child("clusterIPs"))];
  if (clusterIPs[0] === clusterIP) return [];
  return [invalidValue(path.child("clusterIPs"), clusterIPs, "first value must match `clusterIP`")];
}

/** As many as there are families. */
function validateAddresses(ips: readonly string[], path: FieldPath): FieldError[] {
  if (ips.length > 2) return [tooMany(path, ips.length, 2)];
  const errors = ips.flatMap((ip, i) => validateAddress(ip, i, ips, path.index(i)));
  if (errors.length || ips.length < 2) return errors;
  if (parseIp(ips[0] ?? "")?.version !== parseIp(ips[1] ?? "")?.version) return [];
  return [invalidValue(path, ips, "may specify no more than one IP for each IP family")];
}

function validateAddress(ip: string, i: number, ips: readonly string[], path: FieldPath): FieldError[] {
  if (ip === "None") {
    return ips.length > 1 ? [invalidValue(path, ip, "'None' must be the first and only value")] : [];
  }
  const errors = isValidIp(ip).map((message) => invalidValue(path, ip, message));
  return ips.indexOf(ip) < i ? [...errors, duplicate(path, ip)] : errors;
}

/** The first family is that of the first address. */
function validateFamilies(spec: ServiceSpec, path: FieldPath): FieldError[] {
  const { ipFamilies = [], ipFamilyPolicy, clusterIPs = [] } = spec;
  const at = path.child("ipFamilies");
  const errors: FieldError[] = [];
  if (ipFamilyPolicy !== undefined && !POLICIES.includes(ipFamilyPolicy)) {
    errors.push(notSupported(path.child("ipFamilyPolicy"), ipFamilyPolicy, POLICIES));
  }
  if (ipFamilies.length > 2) errors.push(tooMany(at, ipFamilies.length, 2));
  for (const [i, family] of ipFamilies.entries()) {
    if (!FAMILIES.includes(family)) errors.push(notSupported(at.index(i), family, FAMILIES));
    else if (ipFamilies.indexOf(family) < i) errors.push(duplicate(at.index(i), family));
  }
  for (const [i, ip] of clusterIPs.entries()) {
    const family = ipFamilies[i];
    const version = parseIp(ip)?.version;
    // Either may still be left for the allocator to choose.
    if (!family || !version || family === `IPv${version}`) continue;
    errors.push(
      invalidValue(
        path.child("clusterIPs").index(i),
        ip,
        `expected an ${family} value as indicated by \`ipFamilies[${i}]\``,
      ),
    );
  }
  return errors;
}

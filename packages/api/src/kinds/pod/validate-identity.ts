// What ties a pod to its node's namespaces and to devices: host names, host namespaces, resource claims.
import type { PodResourceClaim, PodSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1123Label, isDns1123Subdomain } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  itemErrors,
  required,
  tooLong,
} from "../../validation/path.ts";

// What Linux allows a host name (HOST_NAME_MAX), shorter than the 253 characters of a DNS name.
const MAX_HOSTNAME = 64;

/** `hostnameOverride` replaces the name that the pod would see, so it excludes all else that decides that name. */
export function validateHostname(spec: PodSpec, path: FieldPath): FieldError[] {
  const name = spec.hostnameOverride;
  if (name === undefined) return [];
  const at = path.child("hostnameOverride");
  const errors = invalidAll(at, name, isDns1123Subdomain(name));
  if (name.length > MAX_HOSTNAME) errors.push(tooLong(at, MAX_HOSTNAME));
  if (spec.setHostnameAsFQDN) {
    errors.push(forbiddenField(path.child("setHostnameAsFQDN"), "may not be specified when `hostnameOverride` is set"));
  }
  if (spec.hostNetwork) errors.push(forbiddenField(at, "may not be specified when `hostNetwork` is true"));
  return errors;
}

// Each field with the name that upstream's error shows.
const HOST_NAMESPACES = [
  ["hostNetwork", "HostNetwork"],
  ["hostPID", "HostPID"],
  ["hostIPC", "HostIPC"],
] as const;

/** Users of its own and namespaces of the host's do not go together. */
export function validateHostUsers(spec: PodSpec, path: FieldPath): FieldError[] {
  if (spec.hostUsers !== false) return [];
  return HOST_NAMESPACES.filter(([field]) => spec[field]).map(([, shown]) =>
    forbiddenField(path.child(shown), "when `pod.Spec.HostUsers` is false"),
  );
}

/** The devices a pod claims, by a name of its own that its containers refer to in `resources.claims`. */
export function validateResourceClaims(claims: readonly PodResourceClaim[], path: FieldPath): FieldError[] {
  const names = new Set<string>();
  return itemErrors(claims, (claim, i) => {
    const at = path.index(i);
    const errors = validateClaimName(claim.name, names, at.child("name"));
    return [...errors, ...validateClaimSource(claim, at)];
  });
}

function validateClaimName(name: string, names: Set<string>, path: FieldPath): FieldError[] {
  if (!name) return [required(path)];
  if (names.has(name)) return [duplicate(path, name)];
  names.add(name);
  return invalidAll(path, name, isDns1123Label(name));
}

/** Either a ResourceClaim that exists, or a template of which the controller makes one claim per pod. */
function validateClaimSource(claim: PodResourceClaim, path: FieldPath): FieldError[] {
  const { resourceClaimName, resourceClaimTemplateName } = claim;
  if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined) {
    const detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
    return [invalidValue(path, claim, detail)];
  }
  const field = resourceClaimName !== undefined ? "resourceClaimName" : "resourceClaimTemplateName";
  const name = claim[field];
  if (name !== undefined) return invalidAll(path.child(field), name, isDns1123Subdomain(name));
  return [invalidValue(path, claim, "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`")];
}

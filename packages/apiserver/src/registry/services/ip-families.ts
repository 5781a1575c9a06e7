// The address-family fields of a Service: what its writer left out, and what the cluster cannot give.
import type { FieldError } from "@skiff/api/errors.ts";
import { invalid } from "@skiff/api/errors.ts";
import type { Service, ServiceSpec } from "@skiff/api/types.ts";
import { deepEqual } from "@skiff/api/validation/deep-equal.ts";
import { invalidValue, root } from "@skiff/api/validation/path.ts";
import { familyOf, type IpFamily } from "./ip-range.ts";

/** Fills `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`; `families` are the cluster's, the default first. Throws Invalid. */
export function fillIpFamilies(
  service: Service,
  previous: Readonly<Service> | undefined,
  families: readonly IpFamily[],
): void {
  const { spec } = service;
  if (spec.type === "ExternalName" || keepsItsAddresses(spec, previous?.spec)) return;
  // Writers older than dual-stack know the single field only.
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  // Kubernetes' defaults: one family, but both for a headless Service without selector.
  spec.ipFamilyPolicy ??= previous?.spec.ipFamilyPolicy ?? (isSelectorless(spec) ? "RequireDualStack" : "SingleStack");
  const errors = previous ? downgrade(spec, previous.spec) : [];
  errors.push(...singleStackErrors(spec), ...inferFamilies(spec, families));
  refuseAny(service, errors);
  if (isSelectorless(spec)) {
    spec.ipFamilies = withSecond(spec, true, families[0]);
    return;
  }
  refuseAny(service, clusterErrors(spec, families));
  spec.ipFamilies = withSecond(spec, families.length > 1, families[0]);
}

/**
 * A Service that prefers two families is left as it is when the cluster gains or loses one: it changes only when its
 * writer says so.
 */
function keepsItsAddresses(spec: Readonly<ServiceSpec>, before: Readonly<ServiceSpec> | undefined): boolean {
  if (!before || spec.type !== before.type || spec.ipFamilyPolicy !== "PreferDualStack") return false;
  if (before.ipFamilyPolicy !== undefined && before.ipFamilyPolicy !== "PreferDualStack") return false;
  return deepEqual(spec.clusterIPs ?? [], before.clusterIPs ?? []) && sameFamilies(spec, before);
}

/** Its addresses come from whoever writes the endpoints, so both families are possible in any cluster. */
function isSelectorless({ clusterIP, clusterIPs, selector }: Readonly<ServiceSpec>): boolean {
  return (clusterIP === "None" || clusterIPs?.[0] === "None") && Object.keys(selector ?? {}).length === 0;
}

/** Single stack with nothing else changed means to give up the second address; anything less is a mistake. */
function downgrade(spec: ServiceSpec, before: Readonly<ServiceSpec>): FieldError[] {
  if (spec.ipFamilyPolicy === "SingleStack") {
    if (deepEqual(spec.clusterIPs ?? [], before.clusterIPs ?? [])) spec.clusterIPs = spec.clusterIPs?.slice(0, 1);
    if (sameFamilies(spec, before)) spec.ipFamilies = spec.ipFamilies?.slice(0, 1);
    return [];
  }
  const errors: FieldError[] = [];
  const isReduced = (next: readonly string[] = [], old: readonly string[] = []) =>
    next.length > 0 && next.length < old.length;
  if (isReduced(spec.clusterIPs, before.clusterIPs)) {
    errors.push(policyError(spec, "must be 'SingleStack' to release the secondary cluster IP"));
  }
  if (isReduced(spec.ipFamilies, before.ipFamilies)) {
    errors.push(policyError(spec, "must be 'SingleStack' to release the secondary IP family"));
  }
  return errors;
}

function singleStackErrors(spec: Readonly<ServiceSpec>): FieldError[] {
  if (spec.ipFamilyPolicy !== "SingleStack") return [];
  const errors: FieldError[] = [];
  const both = "must be 'RequireDualStack' or 'PreferDualStack' when multiple";
  if (spec.clusterIPs?.length === 2) errors.push(policyError(spec, `${both} cluster IPs are specified`));
  if (spec.ipFamilies?.length === 2) errors.push(policyError(spec, `${both} IP families are specified`));
  return errors;
}

/** An address that was asked for says its family. */
function inferFamilies(spec: ServiceSpec, families: readonly IpFamily[]): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, ip] of (spec.clusterIPs ?? []).entries()) {
    if (ip === "None") break;
    const family = familyOf(ip);
    if (i < (spec.ipFamilies ?? []).length) continue;
    if (families.includes(family)) {
      spec.ipFamilies = [...(spec.ipFamilies ?? []), family];
      continue;
    }
    const path = root("spec").child("clusterIPs").index(i);
    errors.push(invalidValue(path, spec.clusterIPs, `${family} is not configured on this cluster`));
  }
  return errors;
}

/** What this cluster has no ranges for. Selectorless Services are exempt: they take nothing from it. */
function clusterErrors(spec: Readonly<ServiceSpec>, families: readonly IpFamily[]): FieldError[] {
  const errors: FieldError[] = [];
  if (spec.ipFamilyPolicy === "RequireDualStack" && families.length < 2) {
    errors.push(policyError(spec, "this cluster is not configured for dual-stack services"));
  }
  for (const [i, family] of (spec.ipFamilies ?? []).entries()) {
    if (families.includes(family as IpFamily)) continue;
    const path = root("spec").child("ipFamilies").index(i);
    errors.push(invalidValue(path, family, "not configured on this cluster"));
  }
  return errors;
}

/** The families that the Service has, or the default one, and the other one where it wants and can have two. */
function withSecond(spec: Readonly<ServiceSpec>, isPossible: boolean, first: IpFamily = "IPv4"): string[] {
  const have = spec.ipFamilies?.length ? spec.ipFamilies : [first];
  if (have.length > 1 || !isPossible || spec.ipFamilyPolicy === "SingleStack") return have;
  return [...have, have[0] === "IPv4" ? "IPv6" : "IPv4"];
}

function sameFamilies(a: Readonly<ServiceSpec>, b: Readonly<ServiceSpec>): boolean {
  return deepEqual(a.ipFamilies ?? [], b.ipFamilies ?? []);
}

function policyError(spec: Readonly<ServiceSpec>, detail: string): FieldError {
  return invalidValue(root("spec").child("ipFamilyPolicy"), spec.ipFamilyPolicy, detail);
}

function refuseAny(service: Readonly<Service>, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid("", "Service", service.metadata.name, [...errors]);
}

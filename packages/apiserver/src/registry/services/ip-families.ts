// The address-family fields of a Service, as upstream fills them in a cluster with one family.

import type { FieldError } from "@skiff/api/errors.ts";
import { invalid } from "@skiff/api/errors.ts";
import type { Service } from "@skiff/api/types.ts";
import { invalidValue, root } from "@skiff/api/validation/path.ts";

type Family = "IPv4" | "IPv6";

/** Fills `clusterIPs`, `ipFamilies` and `ipFamilyPolicy`; throws Invalid for what needs a second family. */
export function fillIpFamilies(service: Service, family: Family): void {
  const { spec } = service;
  if (spec.type === "ExternalName") return;
  if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
  const isHeadless = spec.clusterIP === "None";
  const hasSelector = Object.keys(spec.selector ?? {}).length > 0;
  if (isHeadless && !hasSelector) {
    fillHeadlessWithoutSelector(service, family);
    return;
  }
  const errors = familyErrors(service, family);
  if (errors.length > 0) throw invalid("", "Service", service.metadata.name, errors);
  spec.ipFamilyPolicy ??= "SingleStack";
  if (!spec.ipFamilies?.length) spec.ipFamilies = [family];
}

/** Its addresses come from whoever writes the endpoints, so both families are possible in any cluster. */
function fillHeadlessWithoutSelector({ spec }: Service, family: Family): void {
  spec.ipFamilyPolicy ??= "RequireDualStack";
  const families = spec.ipFamilies?.length ? spec.ipFamilies : [family];
  const isSingle = spec.ipFamilyPolicy === "SingleStack" || families.length > 1;
  spec.ipFamilies = isSingle ? families : [...families, families[0] === "IPv4" ? "IPv6" : "IPv4"];
}

function familyErrors({ spec }: Readonly<Service>, family: Family): FieldError[] {
  const path = root("spec");
  const errors: FieldError[] = [];
  (spec.ipFamilies ?? []).forEach((wanted, at) => {
    if (wanted === family) return;
    errors.push(invalidValue(path.child("ipFamilies").index(at), wanted, "not configured on this cluster"));
  });
  if (spec.ipFamilyPolicy === "RequireDualStack") {
    const why = "this cluster is not configured for dual-stack services";
    errors.push(invalidValue(path.child("ipFamilyPolicy"), spec.ipFamilyPolicy, why));
  }
  return errors;
}

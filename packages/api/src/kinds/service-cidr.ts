// ServiceCIDR: a range that addresses of Services are taken from.
import type { ServiceCIDR } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { formatCidr, parseCidr } from "../ip.ts";
import { serviceCidrs } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { type FieldPath, IMMUTABLE, invalidValue, required, root } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";

/** Addresses of the range may be in use, which is why it can grow by a family and not change. */
export const serviceCidrKind = defineKind<ServiceCIDR>({
  ref: serviceCidrs,
  hasStatus: true,
  hasGeneration: false,
  validateCreate: ({ spec }) => validateCidrs(spec?.cidrs ?? [], root("spec").child("cidrs")),
  validateUpdate(next, previous) {
    const after = next.spec?.cidrs ?? [];
    const before = previous.spec?.cidrs ?? [];
    const path = root("spec").child("cidrs");
    // A second family may be added to a range that has one.
    if (before.length === 1 && after.length === 2 && after[0] === before[0]) return validateCidrs(after, path);
    return deepEqual(after, before) ? [] : [invalidValue(path, after, IMMUTABLE)];
  },
  columns: [
    nameColumn,
    column("CIDRs", ["ServiceCIDRSpec", "cidrs"], ({ spec }) => (spec?.cidrs ?? []).join(",")),
    ageColumn,
  ],
});

function validateCidrs(cidrs: readonly string[], path: FieldPath): FieldError[] {
  if (cidrs.length === 0) return [required(path, "at least one CIDR required")];
  if (cidrs.length > 2) return [invalidValue(path, cidrs, "may only hold up to 2 values")];
  const [first, second] = cidrs.map((text) => parseCidr(text));
  if (first && second && first.version === second.version) {
    return [
      invalidValue(
        path,
        cidrs,
        "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
      ),
    ];
  }
  return cidrs.flatMap((text, i) => validateCidr(text, path.index(i)));
}

/** Host bits must be zero: two spellings of one range would be two objects for one thing. */
function validateCidr(text: string, path: FieldPath): FieldError[] {
  const cidr = parseCidr(text);
  if (!cidr) {
    return [invalidValue(path, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")];
  }
  const canonical = formatCidr(cidr);
  return canonical === text ? [] : [invalidValue(path, text, `must be in canonical form ("${canonical}")`)];
}

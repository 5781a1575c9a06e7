// IPAddress: an address of a Service range that is taken, and by whom. Its name is the address.
import type { IPAddress, ParentReference } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { formatIp, parseIp } from "../ip.ts";
import { ipAddresses } from "../resource-ref.ts";
import { immutableField } from "../validation/field-rules.ts";
import { isDns1123Subdomain, isPathSegmentName } from "../validation/names.ts";
import { type FieldPath, invalidAll, required, root } from "../validation/path.ts";
import { column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";

/** Creating it is how an allocator takes the address: etcd lets one creation of a name succeed. */
export const ipAddressKind = defineKind<IPAddress>({
  ref: ipAddresses,
  shortNames: ["ip"],
  validateName,
  validate: ({ spec }) => validateParent(spec?.parentRef, root("spec").child("parentRef")),
  validateUpdate: (next, previous) =>
    immutableField(next.spec.parentRef, previous.spec.parentRef, root("spec").child("parentRef")),
  selectableFields: {
    "spec.parentRef.group": ({ spec }) => spec.parentRef?.group ?? "",
    "spec.parentRef.resource": ({ spec }) => spec.parentRef?.resource ?? "",
    "spec.parentRef.namespace": ({ spec }) => spec.parentRef?.namespace ?? "",
    "spec.parentRef.name": ({ spec }) => spec.parentRef?.name ?? "",
  },
  columns: [
    nameColumn,
    column("ParentRef", ["IPAddressSpec", "parentRef"], ({ spec }) => formatParent(spec.parentRef)),
  ],
});

/** `services/default/web` */
function formatParent(parent: ParentReference | undefined): string {
  if (!parent) return "<none>";
  const resource = parent.group ? `${parent.resource}.${parent.group}` : parent.resource;
  return [resource, parent.namespace, parent.name].filter(Boolean).join("/");
}

/** One address has one name, so only the canonical spelling will do. */
function validateName(name: string): string[] {
  const ip = parseIp(name);
  if (!ip) return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"];
  const canonical = formatIp(ip);
  return canonical === name ? [] : [`must be in canonical form ("${canonical}")`];
}

/** Whoever uses the address; without one nobody would ever free it. */
function validateParent(parent: ParentReference | undefined, path: FieldPath): FieldError[] {
  if (!parent) return [required(path)];
  const errors: FieldError[] = [];
  if (parent.group) errors.push(...invalidAll(path.child("group"), parent.group, isDns1123Subdomain(parent.group)));
  for (const field of ["resource", "name"] as const) {
    const value = parent[field];
    if (value) errors.push(...invalidAll(path.child(field), value, isPathSegmentName(value)));
    else errors.push(required(path.child(field)));
  }
  if (!parent.namespace) return errors;
  return [...errors, ...invalidAll(path.child("namespace"), parent.namespace, isPathSegmentName(parent.namespace))];
}

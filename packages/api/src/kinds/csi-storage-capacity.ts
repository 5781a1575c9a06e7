// CSIStorageCapacity: how much a driver can still give in one part of the cluster.

import type { CSIStorageCapacity } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { compareQuantities } from "../quantity.ts";
import { csiStorageCapacities } from "../resource-ref.ts";
import { immutableField } from "../validation/field-rules.ts";
import { validateLabelSelector } from "../validation/label-selector.ts";
import { isDns1123Subdomain } from "../validation/names.ts";
import { invalidAll, invalidValue, NOT_NEGATIVE, root } from "../validation/path.ts";
import { column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";

/** The scheduler compares it with what a claim asks for before it picks a node. No status, no generation. */
export const csiStorageCapacityKind = defineKind<CSIStorageCapacity>({
  ref: csiStorageCapacities,
  otherVersions: [sameAs("v1beta1", "V1beta1CSIStorageCapacity", "v1.24", "v1.27")],
  validate,
  // Another place, or another class, is another object; the amounts change all the time.
  validateUpdate: (next, previous) => [
    ...immutableField(next.nodeTopology, previous.nodeTopology, root("nodeTopology")),
    ...immutableField(next.storageClassName, previous.storageClassName, root("storageClassName")),
  ],
  columns: [
    nameColumn,
    column("StorageClassName", ["CSIStorageCapacity", "storageClassName"], (c) => c.storageClassName),
    column("Capacity", ["CSIStorageCapacity", "capacity"], ({ capacity }) => capacity ?? "<unset>"),
  ],
});

/** Both capacities may be absent, which means that nothing is known. */
function validate(object: CSIStorageCapacity): FieldError[] {
  const errors = [
    ...validateLabelSelector(object.nodeTopology, root("nodeTopology")),
    ...invalidAll(root("storageClassName"), object.storageClassName, isDns1123Subdomain(object.storageClassName)),
  ];
  for (const field of ["capacity", "maximumVolumeSize"] as const) {
    const value = object[field];
    if (value !== undefined && compareQuantities(value, "0") < 0) {
      errors.push(invalidValue(root(field), value, NOT_NEGATIVE));
    }
  }
  return errors;
}

// CSINode: the storage drivers that run on a node.

import type { CSINode, CSINodeDriver } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { csiNodes } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { isQualifiedName } from "../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  invalidAll,
  invalidValue,
  NOT_NEGATIVE,
  required,
  root,
} from "../validation/path.ts";
import { ageColumn, countColumn, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { sameAs } from "./older/same.ts";
import { validateCsiDriverName } from "./volume-sources/validate-csi-driver-name.ts";

// Upstream's bound; the CSI specification itself allows 256 bytes.
const MAX_NODE_ID = 192;

/** Written by the node's kubelet as drivers register, read by the scheduler for limits and topology. */
export const csiNodeKind = defineKind<CSINode>({
  ref: csiNodes,
  otherVersions: [sameAs("v1beta1", "V1beta1CSINode", "v1.17", "v1.22")],
  validate: ({ spec }) => validateDrivers(spec.drivers ?? [], root("spec").child("drivers")),
  validateUpdate,
  columns: [
    nameColumn,
    countColumn(
      "Drivers",
      "Drivers indicates the number of CSI drivers registered on the node",
      ({ spec }) => spec.drivers?.length,
    ),
    ageColumn,
  ],
});

/** A driver registers once per node. */
function validateDrivers(drivers: readonly CSINodeDriver[], path: FieldPath): FieldError[] {
  const seen = new Set<string>();
  return drivers.flatMap((driver, i) => {
    const at = path.index(i);
    const errors = validateCsiDriverName(driver.name, at.child("name"));
    if (seen.has(driver.name)) errors.push(duplicate(at.child("name"), driver.name));
    seen.add(driver.name);
    return [...errors, ...validateDriver(driver, at)];
  });
}

/** The driver's own name for the node, its limit of volumes, and the labels by which it knows places. */
function validateDriver({ nodeID, allocatable, topologyKeys }: CSINodeDriver, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const at = path.child("nodeID");
  if (!nodeID) errors.push(required(at));
  else if (nodeID.length > MAX_NODE_ID) {
    errors.push(invalidValue(at, nodeID, `must be ${MAX_NODE_ID} characters or less`));
  }
  const count = allocatable?.count;
  if (count !== undefined && count < 0) {
    errors.push(invalidValue(path.child("allocatable", "count"), count, NOT_NEGATIVE));
  }
  const seen = new Set<string>();
  for (const key of topologyKeys ?? []) {
    // Upstream reports the driver.
    if (!key) errors.push(required(path));
    if (seen.has(key)) errors.push(duplicate(path, key));
    seen.add(key);
    errors.push(...invalidAll(path, key, isQualifiedName(key)));
  }
  return errors;
}

/** A driver may come and go, but not become another. */
function validateUpdate(next: CSINode, previous: Readonly<CSINode>): FieldError[] {
  const before = new Map((previous.spec.drivers ?? []).map((driver) => [driver.name, driver]));
  return (next.spec.drivers ?? []).flatMap((driver, i) => {
    const old = before.get(driver.name);
    if (!old) return [];
    // The count of volumes may be learnt late, and may change.
    const known = old.allocatable === undefined ? { ...driver, allocatable: undefined } : driver;
    const count = { ...known, allocatable: old.allocatable };
    if (deepEqual(count, old)) return [];
    const path = root("spec").child("drivers").index(i);
    return [invalidValue(path, driver, "field is immutable")];
  });
}

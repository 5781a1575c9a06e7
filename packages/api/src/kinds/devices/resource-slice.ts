// ResourceSlice: some devices of a pool, as their driver publishes them.
import type { Device, DeviceAttribute, ResourceSlice, ResourceSliceSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { resourceSlices } from "../../resource-ref.ts";
import { immutableField } from "../../validation/field-rules.ts";
import { isDns1123Label, isDns1123Subdomain } from "../../validation/names.ts";
import {
  duplicate,
  type FieldPath,
  invalidAll,
  invalidValue,
  NOT_NEGATIVE,
  NOT_POSITIVE,
  required,
  root,
  tooLong,
  tooMany,
} from "../../validation/path.ts";
import { ageColumn, column, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { validateNodeSelector } from "../pod/validate-affinity.ts";
import { validateDriver } from "./validate-claim.ts";

// Upstream's bounds, which keep one slice within etcd's limit of an object; a pool may have many slices.
const MAX_DEVICES = 128;
// For each device, as 128 of them make one object.
const MAX_ATTRIBUTES_AND_CAPACITIES = 32;
// Characters of a text or version: attributes are compared, not read.
const MAX_TEXT = 64;

/** What the scheduler finds devices in. The driver, the pool and the node are what a slice is, so they stay. */
export const resourceSliceKind = defineKind<ResourceSlice>({
  ref: resourceSlices,
  hasGeneration: true,
  validate: ({ spec }) => validateSpec(spec, root("spec")),
  validateUpdate: (next, previous) => [
    ...immutableField(next.spec.driver, previous.spec.driver, root("spec").child("driver")),
    ...immutableField(next.spec.pool?.name, previous.spec.pool?.name, root("spec").child("pool", "name")),
    ...immutableField(next.spec.nodeName, previous.spec.nodeName, root("spec").child("nodeName")),
  ],
  selectableFields: {
    "spec.nodeName": ({ spec }) => spec.nodeName ?? "",
    "spec.driver": ({ spec }) => spec.driver,
  },
  columns: [
    nameColumn,
    column("Node", ["ResourceSliceSpec", "nodeName"], ({ spec }) => spec.nodeName ?? ""),
    column("Driver", ["ResourceSliceSpec", "driver"], ({ spec }) => spec.driver),
    column("Pool", ["ResourcePool", "name"], ({ spec }) => spec.pool?.name ?? ""),
    ageColumn,
  ],
});

/** Names of devices are unique within the slice; that they are so in the pool is for the driver to see to. */
function validateSpec(spec: ResourceSliceSpec, path: FieldPath): FieldError[] {
  const devices = spec.devices ?? [];
  const seen = new Set<string>();
  const errors = [
    ...validateDriver(spec.driver, path.child("driver")),
    ...validatePool(spec, path.child("pool")),
    ...validatePlace(spec, path),
  ];
  if (devices.length > MAX_DEVICES) errors.push(tooMany(path.child("devices"), devices.length, MAX_DEVICES));
  for (const [i, device] of devices.entries()) {
    const at = path.child("devices").index(i);
    if (seen.has(device.name)) errors.push(duplicate(at.child("name"), device.name));
    seen.add(device.name);
    errors.push(...validateDevice(device, at));
  }
  return errors;
}

/** A pool is complete when as many slices as it says carry its latest generation. */
function validatePool({ pool }: ResourceSliceSpec, path: FieldPath): FieldError[] {
  const { name = "", generation = 0, resourceSliceCount = 0 } = pool ?? {};
  const errors: FieldError[] = [];
  // A driver that serves several nodes may build the name of a pool from parts, each a DNS subdomain.
  if (!name) errors.push(required(path.child("name")));
  else if (name.length > 253) errors.push(tooLong(path.child("name"), 253));
  else
    for (const part of name.split("/")) errors.push(...invalidAll(path.child("name"), part, isDns1123Subdomain(part)));
  if (resourceSliceCount <= 0) {
    errors.push(invalidValue(path.child("resourceSliceCount"), resourceSliceCount, NOT_POSITIVE));
  }
  if (generation < 0) errors.push(invalidValue(path.child("generation"), generation, NOT_NEGATIVE));
  return errors;
}

/** The devices are on one node, on those selected, on all, or each says so itself. */
function validatePlace(spec: ResourceSliceSpec, path: FieldPath): FieldError[] {
  const names = ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"] as const;
  const set = names.filter((name) => spec[name]);
  const list = "`nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection`";
  if (set.length === 0) return [required(path, `exactly one of ${list} is required`)];
  if (set.length > 1) {
    const shown = `{${set.map((name) => `\`${name}\``).join(", ")}}`;
    return [invalidValue(path, shown, `exactly one of ${list} is required, but multiple fields are set`)];
  }
  if (spec.nodeName) return invalidAll(path.child("nodeName"), spec.nodeName, isDns1123Subdomain(spec.nodeName));
  if (!spec.nodeSelector) return [];
  const at = path.child("nodeSelector");
  const terms = spec.nodeSelector.nodeSelectorTerms ?? [];
  const errors = validateNodeSelector(spec.nodeSelector, at);
  // Upstream allows one term, which the allocation result can carry on.
  if (terms.length === 1) return errors;
  return [...errors, invalidValue(at.child("nodeSelectorTerms"), terms, "must have exactly one node selector term")];
}

/** Attributes and capacities are what CEL selectors can ask about. */
function validateDevice(device: Device, path: FieldPath): FieldError[] {
  const errors = device.name
    ? invalidAll(path.child("name"), device.name, isDns1123Label(device.name))
    : [required(path.child("name"))];
  const { attributes = {}, capacity = {} } = device;
  const count = Object.keys(attributes).length + Object.keys(capacity).length;
  if (count > MAX_ATTRIBUTES_AND_CAPACITIES) {
    const detail = `the total number of attributes and capacities must not exceed ${MAX_ATTRIBUTES_AND_CAPACITIES}`;
    errors.push(invalidValue(path, count, detail));
  }
  for (const [name, attribute] of Object.entries(attributes)) {
    errors.push(...validateAttribute(attribute, path.child("attributes").key(name)));
  }
  return errors;
}

/** A value has one type: bool, int, string or version. */
function validateAttribute(attribute: DeviceAttribute, path: FieldPath): FieldError[] {
  const set = Object.entries(attribute).filter(([, value]) => value !== undefined);
  if (set.length !== 1) {
    return [
      set.length === 0
        ? required(path, "exactly one value must be specified")
        : invalidValue(path, attribute, "exactly one value must be specified"),
    ];
  }
  const [field = "", value] = set[0] ?? [];
  return typeof value === "string" && value.length > MAX_TEXT ? [tooLong(path.child(field), MAX_TEXT)] : [];
}

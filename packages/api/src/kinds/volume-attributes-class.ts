// VolumeAttributesClass: settings of volumes that may change while they are in use.
import type { VolumeAttributesClass } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { volumeAttributesClasses } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { forbiddenField, invalidValue, required, root } from "../validation/path.ts";
import { ageColumn, column } from "./columns.ts";
import { defineKind } from "./define-kind.ts";
import { nameWithDefault, validateParameters } from "./storage-class.ts";
import { validateCsiDriverName } from "./volume-sources/validate-csi-driver-name.ts";

/** A claim changes its volume by naming another class, never by a change of the class. */
export const volumeAttributesClassKind = defineKind<VolumeAttributesClass>({
  ref: volumeAttributesClasses,
  shortNames: ["vac"],
  validate: ({ driverName, parameters }) => [
    ...validateCsiDriverName(driverName, root("driverName")),
    ...(Object.keys(parameters ?? {}).length === 0
      ? [required(root("parameters"), "must contain at least one key/value pair")]
      : validateParameters(parameters, root("parameters"))),
  ],
  // Volumes that took their settings from the class would no longer be as it says.
  validateUpdate(next, previous) {
    const errors: FieldError[] = [];
    if (next.driverName !== previous.driverName) {
      errors.push(invalidValue(root("driverName"), next.driverName, "updates to driverName are forbidden."));
    }
    if (!deepEqual(next.parameters ?? {}, previous.parameters ?? {})) {
      errors.push(forbiddenField(root("parameters"), "updates to parameters are forbidden."));
    }
    return errors;
  },
  columns: [
    column("Name", ["ObjectMeta", "name"], (c) => nameWithDefault(c, "volumeattributesclass"), { format: "name" }),
    column("DriverName", ["VolumeAttributesClass", "driverName"], ({ driverName }) => driverName),
    ageColumn,
  ],
});

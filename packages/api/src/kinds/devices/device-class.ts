// DeviceClass: a set of devices that claims may ask for by name.
import type { DeviceClass, DeviceClassSpec } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { deviceClasses } from "../../resource-ref.ts";
import { isDns1123Subdomain } from "../../validation/names.ts";
import { type FieldPath, invalidAll, root, tooMany } from "../../validation/path.ts";
import { ageColumn, nameColumn } from "../columns.ts";
import { defineKind } from "../define-kind.ts";
import { validateConfiguration, validateSelectors } from "./validate-claim.ts";

const MAX_CONFIGS = 32;

/** Administrators write these; requests in claims name one, and devices must meet the selectors of both. */
export const deviceClassKind = defineKind<DeviceClass>({
  ref: deviceClasses,
  hasGeneration: true,
  validate: ({ spec }) => validateSpec(spec, root("spec")),
  columns: [nameColumn, ageColumn],
});

function validateSpec(spec: DeviceClassSpec, path: FieldPath): FieldError[] {
  const configs = spec.config ?? [];
  const extended = spec.extendedResourceName;
  return [
    ...validateSelectors(spec.selectors ?? [], path.child("selectors")),
    ...(configs.length > MAX_CONFIGS ? [tooMany(path.child("config"), configs.length, MAX_CONFIGS)] : []),
    ...configs.flatMap((config, i) => validateConfiguration(config, path.child("config").index(i))),
    ...(extended === undefined ? [] : validateExtended(extended, path.child("extendedResourceName"))),
  ];
}

/** Pods may ask for the class under this name in their resource limits, as for a device plugin's resource. */
function validateExtended(name: string, path: FieldPath): FieldError[] {
  const [domain = ""] = name.split("/");
  return invalidAll(path, name, isDns1123Subdomain(domain));
}

// Files inside volumes: the keys of ConfigMaps and Secrets and the fields of the downward API, each at a path and with a mode.
import type { DownwardAPIVolumeFile, KeyToPath } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { type FieldPath, invalidValue, itemErrors, required } from "../../validation/path.ts";
import { VOLUME_FIELDS, validateFieldRef, validateResourceFieldRef } from "./validate-env.ts";
import { validateProjectedPath } from "./validate-paths.ts";

/** `items` picks keys of a ConfigMap or Secret; absent, every key becomes a file of that name. */
export function validateItems(items: readonly KeyToPath[] | undefined, path: FieldPath): FieldError[] {
  return itemErrors(items ?? [], (item, i) => validateItem(item, path.index(i)));
}

/** The key may be missing in the object: that shows only when the kubelet mounts the volume. */
export function validateItem(item: KeyToPath, path: FieldPath): FieldError[] {
  const errors = item.key ? [] : [required(path.child("key"))];
  if (item.path) errors.push(...validateProjectedPath(item.path, path.child("path")));
  else errors.push(required(path.child("path")));
  return [...errors, ...validateMode(item.mode, path.child("mode"))];
}

/** Permission bits of a file; JSON has no octal, so that 0644 is written as 420. */
export function validateMode(mode: number | undefined, path: FieldPath): FieldError[] {
  if (mode === undefined || (mode >= 0 && mode <= 0o777)) return [];
  return [invalidValue(path, mode, "must be a number between 0 and 0777 (octal), both inclusive")];
}

/** One file of the downward API: a field of the pod, or what a container may use. */
export function validateDownwardFile(file: DownwardAPIVolumeFile, path: FieldPath): FieldError[] {
  const errors = file.path ? validateProjectedPath(file.path, path.child("path")) : [required(path.child("path"))];
  const { fieldRef, resourceFieldRef } = file;
  if (fieldRef) {
    errors.push(...validateFieldRef(fieldRef, VOLUME_FIELDS, path.child("fieldRef")));
    if (resourceFieldRef) {
      const detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
      errors.push(invalidValue(path, "resource", detail));
    }
  } else if (resourceFieldRef) {
    errors.push(...validateResourceFieldRef(resourceFieldRef, true, path.child("resourceFieldRef")));
  } else {
    errors.push(required(path, "one of fieldRef and resourceFieldRef is required"));
  }
  return [...errors, ...validateMode(file.mode, path.child("mode"))];
}

// Paths inside volumes, which must not lead out of them.
import type { FieldError } from "../../errors.ts";
import { type FieldPath, invalidValue } from "../../validation/path.ts";

/** A relative path without `..` segments. */
export function validateLocalPath(target: string, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (target.startsWith("/")) errors.push(invalidValue(path, target, "must be a relative path"));
  return [...errors, ...validateNoBacksteps(target, path)];
}

/** As above, and not a name that the volume's own files begin with. */
export function validateProjectedPath(target: string, path: FieldPath): FieldError[] {
  const errors = validateLocalPath(target, path);
  // With a `..` segment the name is wrong already.
  if (target.startsWith("..") && !target.startsWith("../")) {
    errors.push(invalidValue(path, target, "must not start with '..'"));
  }
  return errors;
}

/** For paths that may be absolute, such as those on the host. `a..b` is fine: only whole segments lead up. */
export function validateNoBacksteps(target: string, path: FieldPath): FieldError[] {
  return target.split("/").includes("..") ? [invalidValue(path, target, "must not contain '..'")] : [];
}

// The name of a CSI driver, as volumes, nodes and the driver itself say it.
import type { FieldError } from "../../errors.ts";
import { isDns1123Subdomain } from "../../validation/names.ts";
import { type FieldPath, invalidAll, required, tooLong } from "../../validation/path.ts";

const MAX_DRIVER_NAME = 63;

/** An empty name is missing and, as upstream goes on to check it, malformed as well. */
export function validateCsiDriverName(name: string | undefined, path: FieldPath): FieldError[] {
  const text = name ?? "";
  return [
    ...(text ? [] : [required(path)]),
    ...(text.length > MAX_DRIVER_NAME ? [tooLong(path, MAX_DRIVER_NAME)] : []),
    ...invalidAll(path, text, isDns1123Subdomain(text.toLowerCase())),
  ];
}

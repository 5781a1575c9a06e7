// Recognises the refusal to create in a namespace that is on its way out.
import { ApiError } from "@skiff/api/errors.ts";

/** Trying again is pointless: what was to be created would be deleted with the namespace. */
export function isNamespaceTerminating(error: unknown): boolean {
  if (!(error instanceof ApiError) || error.code !== 403) return false;
  return error.details?.causes?.some((cause) => cause.reason === "NamespaceTerminating") ?? false;
}

// What a volume source must say, whatever its kind.
import type { FieldError } from "../../errors.ts";
import { type FieldPath, required } from "../../validation/path.ts";

/** One error for each field that is missing or empty. */
export function requireFields(source: object | undefined, fields: readonly string[], path: FieldPath): FieldError[] {
  const values = new Map<string, unknown>(Object.entries(source ?? {}));
  return fields
    .filter((field) => {
      const value = values.get(field);
      return !value || (Array.isArray(value) && value.length === 0);
    })
    .map((field) => required(path.child(field)));
}

/** A source's members by name; the types of the two owners differ in their references to Secrets only. */
export type Fields = Readonly<Record<string, unknown>>;

/** Who names the source: a PersistentVolume lies in no namespace, so that it must name its Secret's as well. */
export interface Owner {
  readonly persistentVolume?: string;
}

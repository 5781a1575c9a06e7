// ConfigMap: text and binary values under file-like keys, 1 MiB in all, optionally immutable.
import type { ConfigMap } from "../../generated/types.ts";
import type { FieldError } from "../errors.ts";
import { configMaps } from "../resource-ref.ts";
import { deepEqual } from "../validation/deep-equal.ts";
import { isConfigMapKey } from "../validation/names.ts";
import { type FieldPath, forbiddenField, invalidAll, invalidValue, root, tooLong } from "../validation/path.ts";
import { ageColumn, column, nameColumn } from "./columns.ts";
import { defineKind } from "./define-kind.ts";

/** What a ConfigMap or a Secret may hold. */
export const MAX_DATA_BYTES = 1024 * 1024;

/** 1 MiB leaves room in a request to etcd, whose limit is 1.5 MiB, for metadata and managed fields. */
export const configMapKind = defineKind<ConfigMap>({
  ref: configMaps,
  shortNames: ["cm"],
  validate(map) {
    const errors = [
      ...validateKeys(map.data, root("data")),
      ...duplicateKeys(map),
      ...validateKeys(map.binaryData, root("binaryData")),
    ];
    const bytes = textBytes(map.data) + decodedBytes(map.binaryData);
    return bytes > MAX_DATA_BYTES ? [...errors, tooLong(root(), MAX_DATA_BYTES)] : errors;
  },
  // Upstream refuses a change of an immutable object before it looks at what is wrong in it.
  changesFirst: true,
  validateUpdate: (next, previous) => immutableErrors(next, previous, ["data", "binaryData"]),
  columns: [nameColumn, column("Data", ["ConfigMap", "data"], (m) => count(m.data) + count(m.binaryData)), ageColumn],
});

/** Keys become file names in volumes, and must not lead out of the directory. */
export function validateKeys(data: Readonly<Record<string, string>> | undefined, path: FieldPath): FieldError[] {
  return Object.keys(data ?? {}).flatMap((key) => invalidAll(path.key(key), key, isConfigMapKey(key)));
}

/** An object marked immutable keeps the mark and its data for good. */
export function immutableErrors<T extends { immutable?: boolean | undefined }>(
  next: T,
  previous: Readonly<T>,
  fields: readonly (keyof T & string)[],
): FieldError[] {
  if (!previous.immutable) return [];
  const detail = "field is immutable when `immutable` is set";
  const changed = fields.filter((field) => !deepEqual(next[field] ?? {}, previous[field] ?? {}));
  return [...(next.immutable ? [] : ["immutable"]), ...changed].map((field) => forbiddenField(root(field), detail));
}

/** How many keys there are, for the Data column. */
export function count(data: Readonly<Record<string, string>> | undefined): number {
  return Object.keys(data ?? {}).length;
}

/** Bytes behind base64 values. */
export function decodedBytes(data: Readonly<Record<string, string>> | undefined): number {
  let bytes = 0;
  for (const key in data) bytes += Buffer.byteLength(data[key] ?? "", "base64");
  return bytes;
}

/** Bytes of UTF-8, as they are stored. */
function textBytes(data: Readonly<Record<string, string>> | undefined): number {
  let bytes = 0;
  for (const key in data) bytes += Buffer.byteLength(data[key] ?? "");
  return bytes;
}

/** Both maps become files of one directory. */
function duplicateKeys({ data, binaryData }: ConfigMap): FieldError[] {
  return Object.keys(data ?? {})
    .filter((key) => binaryData && Object.hasOwn(binaryData, key))
    .map((key) => invalidValue(root("data").key(key), key, "duplicate of key present in binaryData"));
}

// Other shapes of objects and lists that clients ask for with `as=`: Table and PartialObjectMetadata.
import { badRequest } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { groupVersion } from "@skiff/api/object.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";

/** What of its object each row of a Table carries: nothing, its metadata, or all of it. */
export type IncludeObject = "None" | "Metadata" | "Object";

/** The version of meta.k8s.io that was asked for and what goes into the rows. */
export interface ViewOptions {
  readonly version: "v1" | "v1beta1";
  readonly includeObject: IncludeObject;
  /** For ages. */
  readonly nowMs: number;
}

/** List metadata as it goes on the wire. */
export interface ListMeta {
  resourceVersion?: string;
  continue?: string;
  remainingItemCount?: number;
}

/** The group of Table and PartialObjectMetadata, which belong to no resource. */
export const META_GROUP = "meta.k8s.io";

/** The columns of a kind, as the head of its Tables. */
function columnDefinitions(kind: StorageKind): object[] {
  return kind.definition.columns.map(({ name, type, format, description, priority }) => ({
    name,
    type,
    format: format ?? "",
    description,
    priority,
  }));
}

/** A Table's JSON up to its rows, with a comma at the end. Only the first Table of a watch carries its columns. */
export function tableHead(
  kind: StorageKind,
  metadata: object,
  version: "v1" | "v1beta1",
  withColumns: boolean,
): string {
  const columns = withColumns ? columnDefinitions(kind) : null;
  const types = { kind: "Table", apiVersion: groupVersion(META_GROUP, version), metadata, columnDefinitions: columns };
  return `${JSON.stringify(types).slice(0, -1)},`;
}

/** For answers that are not plain JSON; those are put together from bytes. */
export function tableOf(
  kind: StorageKind,
  objects: readonly StoredObject[],
  metadata: ListMeta,
  options: ViewOptions,
): object {
  const head = JSON.parse(`${tableHead(kind, metadata, options.version, true).slice(0, -1)}}`) as object;
  return { ...head, rows: objects.map((object) => rowOf(kind, object, options)) };
}

function rowOf(kind: StorageKind, stored: StoredObject, options: ViewOptions): object {
  const object = stored.object();
  const { columns, rowConditions } = kind.definition;
  const conditions = rowConditions?.(object) ?? [];
  return {
    cells: columns.map((column) => column.value(object, options.nowMs)),
    ...(conditions.length > 0 ? { conditions } : {}),
    object: rowObject(object, options),
  };
}

function rowObject(object: Readonly<KubeObject>, options: ViewOptions): object | null {
  if (options.includeObject === "None") return null;
  return options.includeObject === "Object" ? object : partialOf(object, options.version);
}

/** The object without spec and status: what the garbage collector and `metadata` informers read. */
export function partialOf(object: Readonly<KubeObject>, version: "v1" | "v1beta1"): object {
  const apiVersion = groupVersion(META_GROUP, version);
  return { kind: "PartialObjectMetadata", apiVersion, metadata: object.metadata };
}

/** A list of such objects. */
export function partialListOf(objects: readonly StoredObject[], metadata: ListMeta, version: "v1" | "v1beta1"): object {
  return {
    kind: "PartialObjectMetadataList",
    apiVersion: groupVersion(META_GROUP, version),
    metadata,
    items: objects.map((object) => partialOf(object.object(), version)),
  };
}

/** Metadata unless the query says otherwise. Throws 400 for any other word. */
export function readIncludeObject(query: URLSearchParams): IncludeObject {
  const value = query.get("includeObject") || "Metadata";
  if (value === "None" || value === "Object" || value === "Metadata") return value;
  const why = `includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`;
  throw badRequest(`Unable to convert to Table as requested: ${why}`);
}

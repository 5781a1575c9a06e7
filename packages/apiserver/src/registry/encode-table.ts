// Tables and lists of metadata on the wire: rows put together from remembered cells and slices of the stored bytes.
import { Readable } from "node:stream";
import { groupVersion } from "@skiff/api/object.ts";
import type { Answer } from "../http/endpoint.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import type { TableCells } from "./table-cells.ts";
import { type IncludeObject, type ListMeta, META_GROUP, tableHead } from "./views.ts";

export interface RowOptions {
  readonly version: "v1" | "v1beta1";
  readonly includeObject: IncludeObject;
  /** For ages. */
  readonly nowMs: number;
  readonly cells: TableCells;
}

export function encodeTable(
  kind: StorageKind,
  objects: readonly StoredObject[],
  metadata: ListMeta,
  options: RowOptions,
): Answer {
  const head = `${tableHead(kind, metadata, options.version, true)}"rows":[`;
  return encodeItems(head, objects, (object) => rowBytes(kind, object, object.revision, options));
}

export function encodePartialList(
  objects: readonly StoredObject[],
  metadata: ListMeta,
  version: "v1" | "v1beta1",
): Answer {
  const types = { kind: "PartialObjectMetadataList", apiVersion: groupVersion(META_GROUP, version), metadata };
  const head = `${JSON.stringify(types).slice(0, -1)},"items":[`;
  return encodeItems(head, objects, (object) => partialBytes(object, object.revision, version));
}

/** One row as bytes; `revision` differs from the object's own where a deletion is told. */
export function rowBytes(kind: StorageKind, stored: StoredObject, revision: number, options: RowOptions): Buffer {
  const head = Buffer.from(`${options.cells.rowHead(kind, stored, options.nowMs)}"object":`);
  return Buffer.concat([head, rowObject(stored, revision, options), CLOSE]);
}

function rowObject(stored: StoredObject, revision: number, { includeObject, version }: RowOptions): Buffer {
  if (includeObject === "None") return NULL;
  return includeObject === "Object" ? stored.encode(revision) : partialBytes(stored, revision, version);
}

export function partialBytes(stored: StoredObject, revision: number, version: "v1" | "v1beta1"): Buffer {
  return Buffer.concat([PARTIAL_HEADS[version], stored.encodeMetadata(revision), CLOSE_TWICE]);
}

const PARTIAL_HEADS = { v1: partialHead("v1"), v1beta1: partialHead("v1beta1") };
const NULL = Buffer.from("null");
const CLOSE = Buffer.from("}");
const CLOSE_TWICE = Buffer.from("}}");

function partialHead(version: string): Buffer {
  return Buffer.from(
    `{"kind":"PartialObjectMetadata","apiVersion":"${groupVersion(META_GROUP, version)}","metadata":{`,
  );
}

/** The answer for a list whose items are made one after the other; long ones never exist as a whole. */
function encodeItems(head: string, objects: readonly StoredObject[], encode: (object: StoredObject) => Buffer): Answer {
  const contentType = "application/json";
  const chunks = chunksOf(head, objects, encode);
  if (objects.length > SINGLE_LIMIT) {
    return { code: 200, contentType, stream: Readable.from(chunks, { objectMode: false }) };
  }
  return { code: 200, contentType, bytes: Buffer.concat([...chunks]) };
}

const SINGLE_LIMIT = 100;
const CHUNK_BYTES = 128 * 1024;
const COMMA = Buffer.from(",");
const END = Buffer.from("]}\n");

function* chunksOf(
  head: string,
  objects: readonly StoredObject[],
  encode: (object: StoredObject) => Buffer,
): Generator<Buffer> {
  let parts: Buffer[] = [Buffer.from(head)];
  let size = 0;
  for (const [index, object] of objects.entries()) {
    if (index > 0) parts.push(COMMA);
    const item = encode(object);
    parts.push(item);
    size += item.length;
    if (size < CHUNK_BYTES) continue;
    yield Buffer.concat(parts);
    parts = [];
    size = 0;
  }
  yield Buffer.concat([...parts, END]);
}

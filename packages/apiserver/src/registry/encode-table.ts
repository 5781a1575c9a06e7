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
  return encodeItems(head, objects, (object) => rowParts(kind, object, object.revision, options));
}

export function encodePartialList(
  objects: readonly StoredObject[],
  metadata: ListMeta,
  version: "v1" | "v1beta1",
): Answer {
  const types = { kind: "PartialObjectMetadataList", apiVersion: groupVersion(META_GROUP, version), metadata };
  const head = `${JSON.stringify(types).slice(0, -1)},"items":[`;
  return encodeItems(head, objects, (object) => partialParts("", object, object.revision, version, "}}"));
}

/** One row; `revision` differs from the object's own where a deletion is told. */
export function rowBytes(kind: StorageKind, stored: StoredObject, revision: number, options: RowOptions): Buffer {
  return Buffer.concat(rowParts(kind, stored, revision, options));
}

export function partialBytes(stored: StoredObject, revision: number, version: "v1" | "v1beta1"): Buffer {
  return Buffer.concat(partialParts("", stored, revision, version, "}}"));
}

/** As few pieces as can be, for they are joined once per chunk: most of a row is a view of the stored bytes. */
function rowParts(kind: StorageKind, stored: StoredObject, revision: number, options: RowOptions): Buffer[] {
  const head = `${options.cells.rowHead(kind, stored, options.nowMs)}"object":`;
  if (options.includeObject === "None") return [Buffer.from(`${head}null}`)];
  if (options.includeObject === "Object") return [Buffer.from(head), stored.encode(revision), endOf("}")];
  return partialParts(head, stored, revision, options.version, "}}}");
}

function partialParts(
  before: string,
  stored: StoredObject,
  revision: number,
  version: "v1" | "v1beta1",
  end: "}}" | "}}}",
): Buffer[] {
  const head = `${before}${PARTIAL_HEADS[version]}"resourceVersion":"${revision}",`;
  return [Buffer.from(head), stored.metadataBytes, endOf(end)];
}

const PARTIAL_HEADS = { v1: partialHead("v1"), v1beta1: partialHead("v1beta1") };

function partialHead(version: string): string {
  return `{"kind":"PartialObjectMetadata","apiVersion":"${groupVersion(META_GROUP, version)}","metadata":{`;
}

const ENDS = { "}": Buffer.from("}"), "}}": Buffer.from("}}"), "}}}": Buffer.from("}}}") };
const endOf = (text: keyof typeof ENDS) => ENDS[text];

/** The answer for a list whose items are made one after the other; long ones never exist as a whole. */
function encodeItems(
  head: string,
  objects: readonly StoredObject[],
  encode: (object: StoredObject) => Buffer[],
): Answer {
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
  encode: (object: StoredObject) => Buffer[],
): Generator<Buffer> {
  let parts: Buffer[] = [Buffer.from(head)];
  let size = 0;
  for (const [index, object] of objects.entries()) {
    if (index > 0) parts.push(COMMA);
    for (const part of encode(object)) {
      parts.push(part);
      size += part.length;
    }
    if (size < CHUNK_BYTES) continue;
    yield Buffer.concat(parts);
    parts = [];
    size = 0;
  }
  yield Buffer.concat([...parts, END]);
}

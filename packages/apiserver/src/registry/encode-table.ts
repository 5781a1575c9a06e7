// Tables and lists of metadata on the wire: rows put together from remembered cells and slices of the stored bytes.
import { groupVersion } from "@skiff/api/object.ts";
import { type BodyParts, PartsStream } from "../http/body-parts.ts";
import type { Answer } from "../http/endpoint.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import type { TableCells } from "./table-cells.ts";
import { type IncludeObject, type ListMeta, META_GROUP, tableHead } from "./views.ts";

/** How rows are shown: the version of the Table, what each carries of its object, and the present time. */
export interface RowOptions {
  readonly version: "v1" | "v1beta1";
  readonly includeObject: IncludeObject;
  /** For ages. */
  readonly nowMs: number;
  readonly cells: TableCells;
}

/** The answer to `kubectl get` without `-o`: columns are made by the server, so that clients need not know the kind. */
export function encodeTable(
  kind: StorageKind,
  objects: readonly StoredObject[],
  metadata: ListMeta,
  options: RowOptions,
): Answer {
  const head = `${tableHead(kind, metadata, options.version, true)}"rows":[`;
  return encodeItems(head, objects, (object) => rowParts(kind, object, object.revision, options));
}

/** A list of metadata alone, as the garbage collector asks for. */
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

/** One object as PartialObjectMetadata, for an event. */
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
  const parts = new ItemParts(head, objects, encode);
  if (objects.length > SINGLE_LIMIT) return { code: 200, contentType, stream: new PartsStream(parts) };
  const all: Buffer[] = [];
  for (let part = parts.next(NO_ROOM); part; part = parts.next(NO_ROOM)) all.push(part);
  return { code: 200, contentType, bytes: Buffer.concat(all) };
}

/** Items up to which the answer is one buffer. */
const SINGLE_LIMIT = 100;
const NO_ROOM = Buffer.alloc(0);
const COMMA = Buffer.from(",");
const END = Buffer.from("]}\n");

/** The parts of such a list: as many pieces as fit into each. */
class ItemParts implements BodyParts {
  private readonly objects: readonly StoredObject[];
  private readonly encode: (object: StoredObject) => Buffer[];
  private at = 0;
  private pending: Buffer[];

  constructor(head: string, objects: readonly StoredObject[], encode: (object: StoredObject) => Buffer[]) {
    this.objects = objects;
    this.encode = encode;
    this.pending = [Buffer.from(head), ...(objects.length === 0 ? [END] : [])];
  }

  next(scratch: Buffer): Buffer | undefined {
    let end = 0;
    for (let pieces = this.pieces(); pieces.length > 0; pieces = this.pieces()) {
      const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
      if (end + size > scratch.length) {
        if (end > 0) break;
        this.pending = [];
        return Buffer.concat(pieces, size);
      }
      for (const piece of pieces) end += piece.copy(scratch, end);
      this.pending = [];
    }
    return end > 0 ? scratch.subarray(0, end) : undefined;
  }

  /** What comes next and has not been taken yet; nothing at the end. */
  private pieces(): readonly Buffer[] {
    const { objects } = this;
    if (this.pending.length > 0 || this.at === objects.length) return this.pending;
    const first = this.at === 0;
    this.pending = this.encode(objects[this.at++] as StoredObject);
    if (!first) this.pending.unshift(COMMA);
    if (this.at === objects.length) this.pending.push(END);
    return this.pending;
  }
}

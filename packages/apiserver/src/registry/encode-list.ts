// Lists on the wire: byte slices of the cached objects joined in parts, so that memory stays flat for long ones.
import { groupVersion } from "@skiff/api/object.ts";
import { type BodyParts, PartsStream } from "../http/body-parts.ts";
import type { Answer } from "../http/endpoint.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import type { ListMeta } from "./views.ts";

/** The JSON of a list; one buffer when short, a stream when long. */
export function encodeList(kind: StorageKind, objects: readonly StoredObject[], metadata: ListMeta): Answer {
  const head = listHead(kind, metadata);
  const commas = Math.max(objects.length - 1, 0);
  const around = Buffer.byteLength(head) + commas + LIST_END.length;
  const size = objects.reduce((sum, object) => sum + object.itemSize, around);
  const contentType = "application/json";
  const parts = new ListParts(head, objects);
  if (size <= SINGLE_LIMIT) {
    const bytes = parts.next(Buffer.allocUnsafe(size + SPARE)) ?? NOTHING;
    return { code: 200, contentType, bytes };
  }
  return { code: 200, contentType, stream: new PartsStream(parts), length: size };
}

/** The text of a list up to its first item: types and metadata without the closing brace. */
export function listHead(kind: StorageKind, metadata: ListMeta): string {
  const { group, version } = kind.definition;
  const types = { kind: `${kind.definition.kind}List`, apiVersion: groupVersion(group, version), metadata };
  return `${JSON.stringify(types).slice(0, -1)},"items":[`;
}

const LIST_END = "]}\n";
/** What ListParts wants to be free at the end of each object but need not use. */
const SPARE = LIST_END.length + 1;
const NOTHING = Buffer.alloc(0);
/** Bytes up to which one buffer is cheaper than a stream. */
const SINGLE_LIMIT = 256 * 1024;

/** The parts of a list: as many objects as fit into each. */
class ListParts implements BodyParts {
  private readonly head: string;
  private readonly objects: readonly StoredObject[];
  private at = 0;
  private state: "head" | "items" | "ended" = "head";

  constructor(head: string, objects: readonly StoredObject[]) {
    this.head = head;
    this.objects = objects;
  }

  next(scratch: Buffer): Buffer | undefined {
    if (this.state === "ended") return undefined;
    let end = 0;
    if (this.state === "head") {
      end = scratch.write(this.head);
      this.state = "items";
    }
    for (; this.at < this.objects.length; this.at++) {
      const object = this.objects[this.at] as StoredObject;
      // Room for the comma before it and for the end of the list, should it be the last.
      const size = object.itemSize + 1 + LIST_END.length;
      if (end + size > scratch.length) return end > 0 ? scratch.subarray(0, end) : this.alone(object, size);
      end = this.write(object, scratch, end);
    }
    this.state = "ended";
    return scratch.subarray(0, end + scratch.write(LIST_END, end));
  }

  /** An object that is larger than a part. */
  private alone(object: StoredObject, size: number): Buffer {
    const own = Buffer.allocUnsafe(size);
    const end = this.write(object, own, 0);
    this.at += 1;
    return own.subarray(0, end);
  }

  private write(object: StoredObject, target: Buffer, offset: number): number {
    let end = offset;
    if (this.at > 0) target[end++] = COMMA;
    return object.writeItem(target, end);
  }
}

const COMMA = 0x2c;

// Lists on the wire: byte slices of the cached objects joined in chunks, so that memory stays flat for long ones.
import { Readable } from "node:stream";
import { groupVersion } from "@skiff/api/object.ts";
import type { Answer } from "../http/endpoint.ts";
import type { StorageKind, StoredObject } from "../storage/stored-object.ts";
import type { ListMeta } from "./views.ts";

/** The JSON of a list; one buffer when short, a stream when long. */
export function encodeList(kind: StorageKind, objects: readonly StoredObject[], metadata: ListMeta): Answer {
  const head = listHead(kind, metadata);
  const size = objects.reduce((sum, object) => sum + object.itemSize + 1, head.length + LIST_END.length);
  const contentType = "application/json";
  if (size <= SINGLE_LIMIT) {
    return { code: 200, contentType, bytes: join(head, objects, 0, objects.length, true, size) };
  }
  return { code: 200, contentType, stream: Readable.from(chunksOf(head, objects), { objectMode: false }) };
}

export function listHead(kind: StorageKind, metadata: ListMeta): string {
  const { group, version } = kind.definition;
  const types = { kind: `${kind.definition.kind}List`, apiVersion: groupVersion(group, version), metadata };
  return `${JSON.stringify(types).slice(0, -1)},"items":[`;
}

const LIST_END = "]}\n";
const SINGLE_LIMIT = 256 * 1024;
const CHUNK_BYTES = 128 * 1024;

function* chunksOf(head: string, objects: readonly StoredObject[]): Generator<Buffer> {
  for (let from = 0; from < objects.length; ) {
    let size = from === 0 ? head.length : 0;
    let to = from;
    for (; to < objects.length && size < CHUNK_BYTES; to++) size += (objects[to]?.itemSize ?? 0) + 1;
    const last = to === objects.length;
    yield join(from === 0 ? head : "", objects, from, to, last, size + LIST_END.length);
    from = to;
  }
}

/** `size` is at least what is written. */
function join(
  head: string,
  objects: readonly StoredObject[],
  from: number,
  to: number,
  last: boolean,
  size: number,
): Buffer {
  const buffer = Buffer.allocUnsafe(size);
  let at = buffer.write(head, 0);
  for (let i = from; i < to; i++) {
    if (i > 0) buffer[at++] = COMMA;
    at = objects[i]?.writeItem(buffer, at) ?? at;
  }
  if (last) at += buffer.write(LIST_END, at);
  return buffer.subarray(0, at);
}

const COMMA = 0x2c;

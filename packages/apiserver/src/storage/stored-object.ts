// One version of one object as the cache keeps it: its encoded bytes and what lists and watches select by.
import type { KindDefinition } from "@skiff/api/kind.ts";
import { groupVersion, type KubeObject } from "@skiff/api/object.ts";

/** What of a kind its encoding and its place in etcd depend on. */
export interface StorageKind {
  readonly definition: KindDefinition;
  /** Below the prefix, without slashes around it: `pods`, `apps/deployments`. */
  readonly directory: string;
  /** `{"kind":"Pod","apiVersion":"v1","metadata":{`: with it every stored object starts. */
  readonly head: string;
  readonly fieldNames: readonly string[];
  readonly fieldReaders: readonly ((object: KubeObject) => string)[];
}

/** Made once for each kind; readers of selectable fields are in the order of their names. */
export function storageKind(definition: KindDefinition): StorageKind {
  const { group, version, kind, plural, selectableFields } = definition;
  const types = JSON.stringify({ kind, apiVersion: groupVersion(group, version) }).slice(0, -1);
  return {
    definition,
    directory: group ? `${group}/${plural}` : plural,
    head: `${types},"metadata":{`,
    fieldNames: Object.keys(selectableFields),
    fieldReaders: Object.values(selectableFields),
  };
}

/** Immutable; shared by the cache, watch events and answers. */
export class StoredObject {
  readonly kind: StorageKind;
  /** `namespace/name`, or `name` outside namespaces. */
  readonly key: string;
  /** mod_revision in etcd. */
  readonly revision: number;
  /** JSON without a resourceVersion, starting with the kind's head. */
  readonly bytes: Buffer;
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Size of the object as an item of a list; kept, since a list adds up all of them before its first byte. */
  readonly itemSize: number;
  private readonly fields: readonly string[];
  private metadataEnd = 0;
  private parsed: WeakRef<KubeObject> | undefined;
  private written: KubeObject | undefined;

  constructor(kind: StorageKind, key: string, revision: number, bytes: Buffer, parsed?: KubeObject) {
    this.kind = kind;
    this.key = key;
    this.revision = revision;
    this.bytes = bytes;
    this.itemSize = itemExtra(revision) + bytes.length - kind.head.length;
    const object = parsed ?? (JSON.parse(bytes.toString()) as KubeObject);
    this.labels = object.metadata.labels;
    this.fields = kind.fieldReaders.map((read) => read(object));
  }

  /** Of bytes that were just made from `object`, which is in the stored form and becomes the shared parsed one. */
  static ofWrite(kind: StorageKind, key: string, revision: number, bytes: Buffer, object: KubeObject): StoredObject {
    const stored = new StoredObject(kind, key, revision, bytes, object);
    const metadata = { ...object.metadata, resourceVersion: String(revision) };
    stored.written = { ...object, metadata };
    return stored;
  }

  /**
   * Lets go of what it was written from, once its event has been told. A WeakRef would keep that alive until the next full
   * collection, which costs more than parsing what is asked for again.
   */
  forgetWritten(): void {
    this.written = undefined;
  }

  get namespace(): string {
    const at = this.key.indexOf("/");
    return at < 0 ? "" : this.key.slice(0, at);
  }

  get name(): string {
    return this.key.slice(this.key.indexOf("/") + 1);
  }

  /** The value of a selectable field; empty for one that the kind does not have. */
  field(path: string): string {
    if (path === "metadata.name") return this.name;
    if (path === "metadata.namespace") return this.namespace;
    return this.fields[this.kind.fieldNames.indexOf(path)] ?? "";
  }

  /** The parsed object with its resourceVersion; shared, so never to be changed. */
  object(): Readonly<KubeObject> {
    const known = this.written ?? this.parsed?.deref();
    if (known) return known;
    const object = this.copy();
    this.parsed = new WeakRef(object);
    return object;
  }

  /** A parsed copy that its caller may change. */
  copy(): KubeObject {
    const object = JSON.parse(this.bytes.toString()) as KubeObject;
    object.metadata.resourceVersion = String(this.revision);
    return object;
  }

  /** The wire form, `kind` and `apiVersion` included. `revision` differs from the object's own in DELETED events. */
  encode(revision = this.revision): Buffer {
    return splice(this.bytes, 0, this.kind.head.length, revision);
  }

  /** The wire form behind `before`, in two pieces of which the long one is a view. */
  encodeParts(before: string): [Buffer, Buffer] {
    const { head } = this.kind;
    return [Buffer.from(`${before}${head}"resourceVersion":"${this.revision}",`), this.bytes.subarray(head.length)];
  }

  /** Writes the object as lists carry it (without its type) and returns the offset after it. */
  writeItem(target: Buffer, offset: number): number {
    let at = offset + target.write(`${ITEM_HEAD}"resourceVersion":"${this.revision}",`, offset, "latin1");
    at += this.bytes.copy(target, at, this.kind.head.length);
    return at;
  }

  /** The inside of the metadata but its resourceVersion, as it is stored: a view, and nothing is parsed for it. */
  get metadataBytes(): Buffer {
    const from = this.kind.head.length;
    this.metadataEnd ||= endOfObject(this.bytes, from - 1);
    return this.bytes.subarray(from, this.metadataEnd - 1);
  }
}

/** The offset after the object that starts at `start`. */
function endOfObject(bytes: Buffer, start: number): number {
  let depth = 0;
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) at = endOfString(bytes, at);
    else if (byte === OPEN) depth += 1;
    else if (byte === CLOSE && --depth === 0) return at + 1;
  }
  throw new Error("an object without an end");
}

function endOfString(bytes: Buffer, start: number): number {
  for (let at = start + 1; ; at++) {
    at = bytes.indexOf(QUOTE, at);
    if (at < 0) throw new Error("a string without an end");
    let escapes = 0;
    while (bytes[at - 1 - escapes] === BACKSLASH) escapes += 1;
    if (escapes % 2 === 0) return at;
  }
}

/** ASCII bytes never occur inside a longer UTF-8 character, so that bytes can be scanned without decoding. */
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/** Items of a list have no kind and apiVersion, so only the metadata's start is put back. */
const ITEM_HEAD = '{"metadata":{';

/** 21 are the quotes, name, colon and comma of the resourceVersion. */
function itemExtra(revision: number): number {
  return ITEM_HEAD.length + 21 + String(revision).length;
}

/** `bytes[from…]` with the resourceVersion put in at `at`. */
function splice(bytes: Buffer, from: number, at: number, revision: number): Buffer {
  const version = `"resourceVersion":"${revision}",`;
  const out = Buffer.allocUnsafe(bytes.length - from + version.length);
  bytes.copy(out, 0, from, at);
  out.write(version, at - from, "latin1");
  bytes.copy(out, at - from + version.length, at);
  return out;
}

/** The bytes that go to etcd. */
export function encodeForStorage(kind: StorageKind, object: KubeObject): Buffer {
  return encodeStoredForm(storedForm(kind, object));
}

/** `object` as it is stored: its type first, then its metadata without a resourceVersion. Shares what is below. */
export function storedForm({ definition }: StorageKind, object: KubeObject): KubeObject {
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
  const { resourceVersion: _version, ...stored } = metadata;
  const { group, version, kind } = definition;
  return { kind, apiVersion: groupVersion(group, version), metadata: stored as KubeObject["metadata"], ...rest };
}

/**
 * JSON in UTF-8. No resourceVersion: etcd's revision of the key is the version, and is known only once it is stored.
 */
export function encodeStoredForm(form: KubeObject): Buffer {
  const text = JSON.stringify(form);
  // Exactly as long as needed and not from Node's pool: the cache keeps these bytes.
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

/**
 * The cache's view of a value read from etcd. Bytes that do not start as ours do (written by hand, or by another
 * version) are encoded anew. The copy frees the network buffer that `value` is a slice of.
 */
export function decodeFromStorage(kind: StorageKind, key: string, revision: number, value: Buffer): StoredObject {
  if (value.toString("latin1", 0, kind.head.length) !== kind.head) {
    const object = JSON.parse(value.toString()) as KubeObject;
    return new StoredObject(kind, key, revision, encodeForStorage(kind, object));
  }
  const own = Buffer.allocUnsafeSlow(value.length);
  value.copy(own);
  return new StoredObject(kind, key, revision, own);
}

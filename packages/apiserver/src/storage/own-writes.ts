// What this server has written and has not seen in its watch yet: the events of its own writes need no parsing.
import type { KubeObject } from "@skiff/api/object.ts";
import { type StorageKind, StoredObject } from "./stored-object.ts";

/** One write on its way. `object` is in the stored form, and nobody changes it any more. */
interface OwnWrite {
  readonly key: string;
  readonly bytes: Buffer;
  readonly object: KubeObject;
  /** Once its revision is known: from etcd's answer or from the watch, whichever comes first. */
  stored: StoredObject | undefined;
}

/** Of one resource. Losing an entry costs a parse and nothing else. */
export class OwnWrites {
  private readonly kind: StorageKind;
  private readonly pending = new Map<string, OwnWrite>();

  constructor(kind: StorageKind) {
    this.kind = kind;
  }

  /** Before the write is sent, for its event may overtake its answer. */
  begin(key: string, bytes: Buffer, object: KubeObject): OwnWrite {
    const write: OwnWrite = { key, bytes, object, stored: undefined };
    this.pending.set(key, write);
    if (this.pending.size > MAX_PENDING) this.dropOldest();
    return write;
  }

  /** The write was refused or broke off. */
  abandon(write: OwnWrite): void {
    if (this.pending.get(write.key) === write) this.pending.delete(write.key);
  }

  /** The object that etcd's answer makes of the write. */
  finish(write: OwnWrite, revision: number): StoredObject {
    if (write.stored?.revision === revision) return write.stored;
    const stored = this.store(write, revision);
    if (this.pending.get(write.key) === write) write.stored = stored;
    return stored;
  }

  /** The object of an event, if it is that of a write of ours: then both share one. */
  claim(key: string, revision: number, value: Buffer): StoredObject | undefined {
    const write = this.pending.get(key);
    if (!write) return undefined;
    const { stored } = write;
    if (stored) {
      // Events before it were somebody else's.
      if (stored.revision <= revision) this.pending.delete(key);
      return stored.revision === revision ? stored : undefined;
    }
    if (!write.bytes.equals(value)) return undefined;
    this.pending.delete(key);
    write.stored = this.store(write, revision);
    return write.stored;
  }

  clear(): void {
    this.pending.clear();
  }

  private store({ key, bytes, object }: OwnWrite, revision: number): StoredObject {
    return StoredObject.ofWrite(this.kind, key, revision, bytes, object);
  }

  private dropOldest(): void {
    for (const key of this.pending.keys()) return void this.pending.delete(key);
  }
}

/** As many as a server may have in flight, and some whose events are late. */
const MAX_PENDING = 1000;

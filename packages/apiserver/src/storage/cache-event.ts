// One change of one object as caches hand it to watchers, with its wire form encoded once for all of them.
import type { StoredObject } from "./stored-object.ts";

export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/** `current` is absent after a deletion, `previous` before the object existed; one of them is always there. */
export class CacheEvent {
  readonly revision: number;
  readonly current: StoredObject | undefined;
  readonly previous: StoredObject | undefined;
  private object: Buffer | undefined;
  private readonly frames: Partial<Record<EventType, Buffer>> = {};

  constructor(revision: number, current: StoredObject | undefined, previous: StoredObject | undefined) {
    this.revision = revision;
    this.current = current;
    this.previous = previous;
  }

  get key(): string {
    return (this.current ?? this.previous)?.key ?? "";
  }

  /** Bytes that this event alone keeps in memory. */
  get weight(): number {
    return (this.current?.bytes.length ?? 0) + EVENT_OVERHEAD;
  }

  /** The event's line on the wire. DELETED carries the last body known with the revision of the deletion. */
  frame(type: EventType): Buffer {
    const known = this.frames[type];
    if (known) return known;
    const frame = frameOf(type, type === "DELETED" ? this.lastBody() : this.currentBody());
    this.frames[type] = frame;
    return frame;
  }

  private currentBody(): Buffer {
    this.object ??= this.current?.encode(this.revision) ?? this.lastBody();
    return this.object;
  }

  private lastBody(): Buffer {
    return (this.previous ?? this.current)?.encode(this.revision) ?? Buffer.alloc(0);
  }
}

const EVENT_OVERHEAD = 400;

/** `{"type":"ADDED","object":…}` and the line feed that ends it. */
export function frameOf(type: string, object: Buffer | string): Buffer {
  const body = typeof object === "string" ? Buffer.from(object) : object;
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), body, FRAME_END]);
}

const FRAME_END = Buffer.from("}\n");

// One change of one object as caches hand it to watchers, with its wire form encoded once for all of them.
import type { StoredObject } from "./stored-object.ts";

/** As clients see it. BOOKMARK and ERROR are of a stream, not of an object. */
export type EventType = "ADDED" | "MODIFIED" | "DELETED";

/** `current` is absent after a deletion, `previous` before the object existed; one of them is always there. */
export class CacheEvent {
  readonly revision: number;
  readonly current: StoredObject | undefined;
  readonly previous: StoredObject | undefined;
  private frames: Partial<Record<EventType, Buffer>> | undefined = {};

  constructor(revision: number, current: StoredObject | undefined, previous: StoredObject | undefined) {
    this.revision = revision;
    this.current = current;
    this.previous = previous;
  }

  get key(): string {
    return (this.current ?? this.previous)?.key ?? "";
  }

  /** Bytes that this event alone keeps in memory; what it replaced is an earlier event's, unless it went away. */
  get weight(): number {
    return ((this.current ?? this.previous)?.bytes.length ?? 0) + EVENT_OVERHEAD;
  }

  /** The event's line on the wire. DELETED carries the last body known with the revision of the deletion. */
  frame(type: EventType): Buffer {
    const known = this.frames?.[type];
    if (known) return known;
    const body = type === "DELETED" ? (this.previous ?? this.current) : (this.current ?? this.previous);
    const frame = frameOf(type, body?.encode(this.revision) ?? Buffer.alloc(0));
    if (this.frames) this.frames[type] = frame;
    return frame;
  }

  /** Gives the shared frames back: those who still want this event are late, and make their own. */
  dropFrames(): void {
    this.frames = undefined;
  }
}

/** What the objects of one event and one version take beside their bytes. */
const EVENT_OVERHEAD = 1000;

/** `{"type":"ADDED","object":…}` and the line feed that ends it. */
export function frameOf(type: string, object: Buffer | string): Buffer {
  const body = typeof object === "string" ? Buffer.from(object) : object;
  return Buffer.concat([Buffer.from(`{"type":"${type}","object":`), body, FRAME_END]);
}

const FRAME_END = Buffer.from("}\n");

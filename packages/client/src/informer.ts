// A live, indexed copy of one resource, and the calls that tell of its changes.

import type { KubeObject } from "@skiff/api/object.ts";
import { objectKey } from "@skiff/api/object.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Indexers, Lister } from "./object-store.ts";
import { ObjectStore } from "./object-store.ts";
import type { ListWatch } from "./reflector.ts";
import { Reflector } from "./reflector.ts";
import type { Selection } from "./resource-client.ts";
import type { WatchEvent } from "./watch-stream.ts";

export type { Indexers, Lister } from "./object-store.ts";

/** Called in order, after the store has changed. Handlers are synchronous and cheap: they put keys into queues. */
export interface InformerHandler<T extends KubeObject> {
  onAdd?(object: Readonly<T>): void;
  onUpdate?(object: Readonly<T>, old: Readonly<T>): void;
  /** `object` is the last state known. */
  onDelete?(object: Readonly<T>): void;
}

export interface InformerOptions<T extends KubeObject> extends Selection {
  readonly indexers?: Indexers<T>;
  /** Strips what nobody reads before it is kept, to save memory. May change and return its argument. */
  readonly transform?: (object: T) => T;
}

export interface InformerDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

/** The handlers see what the store sees, in its order: after a broken watch only what really differs. */
export class Informer<T extends KubeObject> {
  private readonly store: ObjectStore<T>;
  private readonly reflector: Reflector<T>;
  private readonly transform: (object: T) => T;
  private readonly log: Logger;
  /** Replaced, never changed, so that a handler added during a call does not get that call twice. */
  private handlers: readonly InformerHandler<T>[] = [];
  private readonly firstList = Promise.withResolvers<void>();
  /** Kept apart from the promise because callers ask in the middle of synchronous work. */
  private isSynced = false;
  private isRunning = false;

  constructor(client: ListWatch<T>, options: InformerOptions<T>, deps: InformerDeps) {
    const { indexers, transform, ...selection } = options;
    this.store = new ObjectStore(indexers);
    this.transform = transform ?? ((object) => object);
    this.log = deps.log.child({ informer: client.ref.plural });
    const target = {
      replace: (items: readonly T[]) => this.replace(items),
      apply: (event: WatchEvent<T>) => this.apply(event),
    };
    this.reflector = new Reflector(client, selection, target, deps);
  }

  get lister(): Lister<T> {
    return this.store;
  }

  /** Whether the first list is in the store and its handlers were called. */
  get hasSynced(): boolean {
    return this.isSynced;
  }

  /** Adds an index over present and future objects; one of that name must mean the same. */
  addIndexers(indexers: Indexers<T>): void {
    this.store.addIndexers(indexers);
  }

  /** Calls `onAdd` for what is there already, then for each change; dispose the answer to stop. */
  addHandler(handler: InformerHandler<T>): Disposable {
    this.handlers = [...this.handlers, handler];
    for (const object of this.store.list()) this.call(() => handler.onAdd?.(object));
    return {
      [Symbol.dispose]: () => {
        this.handlers = this.handlers.filter((other) => other !== handler);
      },
    };
  }

  /** Mirrors until the signal aborts, then resolves. Call it once. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.isRunning) throw new Error("an informer runs once only");
    this.isRunning = true;
    await this.reflector.run(signal);
  }

  /** Resolves once `hasSynced`; rejects with the signal's reason if that comes first. */
  async synced(signal: AbortSignal): Promise<void> {
    if (this.isSynced) return;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = () => aborted.reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await Promise.race([this.firstList.promise, aborted.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** A list stands for all the events that were missed: what it lacks was deleted, what it has may be new or changed. */
  private replace(items: readonly T[]): void {
    const gone = new Set(this.store.keys());
    for (const item of items) gone.delete(objectKey(item));
    for (const key of gone) this.remove(key);
    for (const item of items) this.put(item);
    this.isSynced = true;
    this.firstList.resolve();
  }

  private apply(event: WatchEvent<T>): void {
    if (event.type === "DELETED") this.remove(objectKey(event.object), event.object);
    else this.put(event.object);
  }

  private put(received: T): void {
    const known = this.store.getByKey(objectKey(received));
    // Equal versions are equal objects: after a list that follows a broken watch most are, and nobody is called.
    if (known?.metadata.resourceVersion === received.metadata.resourceVersion) return;
    const object = this.transform(received);
    // Another object under an old name: its predecessor's deletion happened while nobody watched.
    if (known && known.metadata.uid !== object.metadata.uid) this.remove(objectKey(object));
    const old = this.store.put(object);
    for (const handler of this.handlers) {
      this.call(() => (old ? handler.onUpdate?.(object, old) : handler.onAdd?.(object)));
    }
  }

  private remove(key: string, finalState?: T): void {
    const known = this.store.remove(key);
    // Never announced, so there is nothing to take back.
    if (!known) return;
    const last = finalState ? this.transform(finalState) : known;
    for (const handler of this.handlers) this.call(() => handler.onDelete?.(last));
  }

  /** One broken handler must not keep the others, or the store, from the change. */
  private call(invoke: () => void): void {
    try {
      invoke();
    } catch (error) {
      this.log.error({ err: error }, "handler failed");
    }
  }
}

// Reads by the apiserver's own parts, straight from the watch caches.
import type { KubeObject } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { CacheEvent } from "../storage/cache-event.ts";
import type { ObjectStorage } from "../storage/object-storage.ts";
import type { StorageKind } from "../storage/stored-object.ts";
import type { ObjectChange, ObjectReader } from "./object-access.ts";
import type { ResourceTable } from "./resource-table.ts";

/** Objects are shared with every request: whoever reads them must not change them. */
export class CachedReader implements ObjectReader {
  private readonly storage: ObjectStorage;
  private readonly resources: ResourceTable;

  constructor(storage: ObjectStorage, resources: ResourceTable) {
    this.storage = storage;
    this.resources = resources;
  }

  get<T extends KubeObject>(ref: ResourceRef<T>, namespace: string, name: string): Readonly<T> | undefined {
    const found = this.storage.cacheOf(this.kindOf(ref)).get(keyOf(namespace, name));
    return found?.object() as Readonly<T> | undefined;
  }

  list<T extends KubeObject>(ref: ResourceRef<T>, namespace?: string): readonly Readonly<T>[] {
    const scope = namespace ? ({ type: "namespace", namespace } as const) : ({ type: "all" } as const);
    const objects = this.storage.cacheOf(this.kindOf(ref)).list(scope);
    return objects.map((object) => object.object() as Readonly<T>);
  }

  /** What is cached counts as it is; only a miss may be due to a cache that is behind. */
  async getLatest<T extends KubeObject>(
    ref: ResourceRef<T>,
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<Readonly<T> | undefined> {
    signal.throwIfAborted();
    const cached = this.get(ref, namespace, name);
    if (cached) return cached;
    const found = await this.storage.get(this.kindOf(ref), keyOf(namespace, name));
    return found?.object() as Readonly<T> | undefined;
  }

  observe<T extends KubeObject>(ref: ResourceRef<T>, onChange: (change: ObjectChange<T>) => void): Disposable {
    return this.storage.cacheOf(this.kindOf(ref)).observe((event) => onChange(changeOf<T>(event)));
  }

  private kindOf(ref: ResourceRef): StorageKind {
    return this.resources.require(ref.group, ref.plural);
  }
}

function keyOf(namespace: string, name: string): string {
  return namespace ? `${namespace}/${name}` : name;
}

function changeOf<T extends KubeObject>(event: CacheEvent): ObjectChange<T> {
  const object = event.current?.object() as Readonly<T> | undefined;
  const previous = event.previous?.object() as Readonly<T> | undefined;
  if (object && previous) return { type: "modified", object, previous };
  if (object) return { type: "added", object };
  return { type: "deleted", object: previous as Readonly<T> };
}

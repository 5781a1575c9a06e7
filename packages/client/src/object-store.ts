// The objects an informer holds, found by key, by namespace and by any index.

import type { KubeObject } from "@skiff/api/object.ts";
import { objectKey } from "@skiff/api/object.ts";

/** A read-only view of a cache. Everything is answered from memory; never change what it hands out. */
export interface Lister<T extends KubeObject> {
  get(namespace: string, name: string): Readonly<T> | undefined;
  /** All objects, or those of one namespace. */
  list(namespace?: string): Readonly<T>[];
  byIndex(index: string, value: string): Readonly<T>[];
}

export type Indexers<T> = Readonly<Record<string, (object: Readonly<T>) => readonly string[]>>;

/** Values of one index, each with the objects that have it. */
type Index<T> = Map<string, Map<string, T>>;

const NAMESPACE: unique symbol = Symbol("namespace");

/** Indexes are kept on every write, so that reads cost what they return: upstream's thread-safe store without the threads. */
export class ObjectStore<T extends KubeObject> implements Lister<T> {
  private readonly objects = new Map<string, T>();
  private readonly indexes = new Map<string | symbol, Index<T>>([[NAMESPACE, new Map()]]);
  // Namespaces are an index like any other, under a name that no caller can take.
  private readonly indexers = new Map<string | symbol, (object: Readonly<T>) => readonly string[]>([
    [NAMESPACE, (object) => [object.metadata.namespace ?? ""]],
  ]);

  constructor(indexers: Indexers<T> = {}) {
    this.addIndexers(indexers);
  }

  /** An index that exists already is kept: the same name must mean the same index. */
  addIndexers(indexers: Indexers<T>): void {
    for (const [name, indexer] of Object.entries(indexers)) {
      if (this.indexers.has(name)) continue;
      this.indexers.set(name, indexer);
      this.indexes.set(name, new Map());
      for (const [key, object] of this.objects) this.enter(name, key, object);
    }
  }

  get(namespace: string, name: string): Readonly<T> | undefined {
    return this.objects.get(namespace ? `${namespace}/${name}` : name);
  }

  getByKey(key: string): Readonly<T> | undefined {
    return this.objects.get(key);
  }

  list(namespace?: string): Readonly<T>[] {
    if (namespace === undefined || namespace === "") return [...this.objects.values()];
    return this.find(NAMESPACE, namespace);
  }

  byIndex(index: string, value: string): Readonly<T>[] {
    return this.find(index, value);
  }

  keys(): string[] {
    return [...this.objects.keys()];
  }

  get size(): number {
    return this.objects.size;
  }

  /** Puts the object in the place of the one with its key, which is returned. */
  put(object: T): T | undefined {
    const key = objectKey(object);
    const previous = this.remove(key);
    this.objects.set(key, object);
    for (const name of this.indexers.keys()) this.enter(name, key, object);
    return previous;
  }

  remove(key: string): T | undefined {
    const object = this.objects.get(key);
    if (!object) return undefined;
    this.objects.delete(key);
    for (const name of this.indexers.keys()) this.leave(name, key, object);
    return object;
  }

  /** A copy, so that callers may go on over it while the store changes. Throws for an index that nobody has added. */
  private find(index: string | symbol, value: string): Readonly<T>[] {
    const found = this.indexes.get(index);
    if (!found) throw new Error(`no index ${String(index)}`);
    return [...(found.get(value)?.values() ?? [])];
  }

  private enter(name: string | symbol, key: string, object: T): void {
    const index = this.indexes.get(name);
    for (const value of this.indexers.get(name)?.(object) ?? []) {
      const entries = index?.get(value);
      if (entries) entries.set(key, object);
      else index?.set(value, new Map([[key, object]]));
    }
  }

  private leave(name: string | symbol, key: string, object: T): void {
    const index = this.indexes.get(name);
    // Computed from the stored object again, which is why nobody may change what the store hands out.
    for (const value of this.indexers.get(name)?.(object) ?? []) {
      const entries = index?.get(value);
      entries?.delete(key);
      // Values such as UIDs never come back: their empty sets would only pile up.
      if (entries?.size === 0) index?.delete(value);
    }
  }
}

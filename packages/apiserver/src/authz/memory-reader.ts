// An ObjectReader over objects in memory, for the tests of what reads objects in process.
import type { KubeObject } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { ObjectChange, ObjectReader } from "../registry/object-access.ts";

type Observer = (change: ObjectChange<KubeObject>) => void;

/** Tells its observers at once, in the order of the calls. */
export class MemoryReader implements ObjectReader {
  private readonly objects = new Map<string, Map<string, KubeObject>>();
  private readonly observers = new Map<string, Observer[]>();

  /** Adds or replaces; `fields` is the object without what a stored one always has. */
  put<T extends KubeObject>(
    ref: ResourceRef<T>,
    fields: Omit<T, "metadata"> & { metadata: Partial<T["metadata"]> },
  ): T {
    const metadata = {
      uid: `uid-${fields.metadata.name}`,
      resourceVersion: "1",
      creationTimestamp: "",
      ...fields.metadata,
    };
    const object = { ...fields, metadata } as T;
    const stored = this.stored(ref);
    const key = `${metadata.namespace ?? ""}/${metadata.name}`;
    const previous = stored.get(key);
    stored.set(key, object);
    this.tell(ref, previous ? { type: "modified", object, previous } : { type: "added", object });
    return object;
  }

  remove(ref: ResourceRef, namespace: string, name: string): void {
    const object = this.stored(ref).get(`${namespace}/${name}`);
    if (!object) return;
    this.stored(ref).delete(`${namespace}/${name}`);
    this.tell(ref, { type: "deleted", object });
  }

  get<T extends KubeObject>(ref: ResourceRef<T>, namespace: string, name: string): Readonly<T> | undefined {
    return this.stored(ref).get(`${namespace}/${name}`) as T | undefined;
  }

  list<T extends KubeObject>(ref: ResourceRef<T>, namespace?: string): readonly Readonly<T>[] {
    const all = [...this.stored(ref).values()] as T[];
    return namespace === undefined ? all : all.filter((object) => object.metadata.namespace === namespace);
  }

  async getLatest<T extends KubeObject>(ref: ResourceRef<T>, namespace: string, name: string) {
    return this.get(ref, namespace, name);
  }

  observe<T extends KubeObject>(ref: ResourceRef<T>, onChange: (change: ObjectChange<T>) => void): Disposable {
    for (const object of this.list(ref)) onChange({ type: "added", object });
    const list = this.observers.get(ref.plural) ?? [];
    this.observers.set(ref.plural, [...list, onChange as Observer]);
    return { [Symbol.dispose]: () => this.observers.set(ref.plural, list) };
  }

  private stored(ref: ResourceRef): Map<string, KubeObject> {
    const known = this.objects.get(ref.plural) ?? new Map<string, KubeObject>();
    this.objects.set(ref.plural, known);
    return known;
  }

  private tell(ref: ResourceRef, change: ObjectChange<KubeObject>): void {
    for (const observer of this.observers.get(ref.plural) ?? []) observer(change);
  }
}

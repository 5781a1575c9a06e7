// The watch cache of one resource: its objects by key, indexes, recent events, and who watches which part.

import type { ApiError } from "@skiff/api/errors.ts";
import { gone } from "@skiff/api/errors.ts";
import btree from "sorted-btree";
import { CacheEvent } from "./cache-event.ts";
import { EventRing } from "./event-ring.ts";
import { OwnWrites } from "./own-writes.ts";
import { decodeFromStorage, type StorageKind, type StoredObject } from "./stored-object.ts";

const BTree = btree.default;
type Tree = InstanceType<typeof BTree<string, StoredObject>>;

/** The narrowest part of a resource that holds all a watcher or a list may want. */
export type Scope =
  | { readonly type: "all" }
  | { readonly type: "namespace"; readonly namespace: string }
  | { readonly type: "key"; readonly key: string }
  | { readonly type: "index"; readonly value: string };

/** A watch of a client. */
export interface CacheWatcher {
  readonly scope: Scope;
  /** Called in order for every event of the scope; must not block. */
  onEvent(event: CacheEvent): void;
  /** The cache can no longer tell this watcher every change. */
  end(error: ApiError): void;
}

/** Objects at one revision, for lists that go on later. */
export interface Snapshot {
  readonly revision: number;
  list(scope: Scope, from: string): StoredObject[];
}

const SAMPLED_OBJECTS = 16;

/** Fed by one etcd watch however many clients watch: that is what keeps etcd out of the reach of a cluster's size. */
export class ResourceCache {
  readonly kind: StorageKind;
  readonly ownWrites: OwnWrites;
  private objects: Tree = new BTree();
  /** Pods by node, so that a kubelet's list and watch cost its own pods only. */
  private readonly index = new Map<string, Map<string, StoredObject>>();
  private readonly indexedField: string | undefined;
  private readonly ring = new EventRing(0);
  private readonly watchers = new Map<string, Set<CacheWatcher>>();
  private readonly observers = new Set<(event: CacheEvent) => void>();
  private readonly feedRevision: () => number;
  /** Events from etcd, and watches that ended because their readers were too slow; for metrics. */
  received = 0;
  terminatedWatchers = 0;

  constructor(kind: StorageKind, feedRevision: () => number) {
    this.kind = kind;
    this.ownWrites = new OwnWrites(kind);
    this.feedRevision = feedRevision;
    this.indexedField = "spec.nodeName" in kind.definition.selectableFields ? "spec.nodeName" : undefined;
  }

  /** The revision up to which this cache has seen everything. */
  get revision(): number {
    return this.feedRevision();
  }

  get size(): number {
    return this.objects.size;
  }

  /** The size of an object, from the first few: enough to tell a list of Leases from one of ConfigMaps. */
  averageBytes(): number {
    let [bytes, seen] = [0, 0];
    for (const object of this.objects.values()) {
      bytes += object.bytes.length;
      if (++seen === SAMPLED_OBJECTS) break;
    }
    return seen > 0 ? bytes / seen : 0;
  }

  get ringSize(): number {
    return this.ring.size;
  }

  get watcherCount(): number {
    let count = 0;
    for (const set of this.watchers.values()) count += set.size;
    return count;
  }

  get(key: string): StoredObject | undefined {
    return this.objects.get(key);
  }

  /** Objects of a scope by key, starting at `from`. The array is the caller's. */
  list(scope: Scope, from = ""): StoredObject[] {
    if (scope.type === "index") {
      const found = [...(this.index.get(scope.value)?.values() ?? [])].filter((object) => object.key >= from);
      return found.sort((a, b) => (a.key < b.key ? -1 : 1));
    }
    return collectRange(this.objects, scope, from);
  }

  /** An immutable copy at the present revision; costs nothing until the cache changes. */
  snapshot(): Snapshot {
    const tree = this.objects.clone();
    const { indexedField: field } = this;
    return {
      revision: this.revision,
      list(scope, from) {
        if (scope.type !== "index") return collectRange(tree, scope, from);
        const all = collectRange(tree, { type: "all" }, from);
        return all.filter((object) => field !== undefined && object.field(field) === scope.value);
      },
    };
  }

  /** The indexed field, if selecting by it can use the index. */
  get indexField(): string | undefined {
    return this.indexedField;
  }

  /** Hands out every later event. The events after `sinceRevision` come back at once; throws 410 when they are gone. */
  watch(watcher: CacheWatcher, sinceRevision: number): readonly CacheEvent[] {
    const backlog = this.ring.since(sinceRevision);
    if (!backlog) throw gone(`too old resource version: ${sinceRevision} (${this.ring.completeSince})`);
    const id = scopeId(watcher.scope);
    const set = this.watchers.get(id) ?? new Set();
    this.watchers.set(id, set.add(watcher));
    return backlog.filter((event) => scopesOf(event, this.indexedField).includes(id));
  }

  unwatch(watcher: CacheWatcher): void {
    const id = scopeId(watcher.scope);
    const set = this.watchers.get(id);
    set?.delete(watcher);
    if (set?.size === 0) this.watchers.delete(id);
  }

  /** For the apiserver's own parts: never ended, and a relist reaches them as the changes it amounts to. */
  observe(onEvent: (event: CacheEvent) => void): Disposable {
    for (const object of this.objects.values()) onEvent(new CacheEvent(object.revision, object, undefined));
    this.observers.add(onEvent);
    return { [Symbol.dispose]: () => void this.observers.delete(onEvent) };
  }

  applyPut(key: string, revision: number, value: Buffer): void {
    const previous = this.objects.get(key);
    const own = this.ownWrites.claim(key, revision, value);
    const current = own ?? decodeFromStorage(this.kind, key, revision, value);
    this.objects.set(key, current);
    this.reindex(previous, current);
    this.publish(new CacheEvent(revision, current, previous));
    current.forgetWritten();
  }

  applyDelete(key: string, revision: number): void {
    const previous = this.objects.get(key);
    // It could not be read when it was written, so nobody was told of it.
    if (!previous) return;
    this.objects.delete(key);
    this.reindex(previous, undefined);
    this.publish(new CacheEvent(revision, undefined, previous));
  }

  /** After a relist: the whole content at `revision`. Events between are unknown, so watchers must start anew. */
  replace(objects: readonly StoredObject[], revision: number): void {
    const before = this.objects;
    this.ownWrites.clear();
    this.objects = new BTree(objects.map((object): [string, StoredObject] => [object.key, object]));
    this.index.clear();
    for (const object of objects) this.reindex(undefined, object);
    this.ring.reset(revision);
    // Clients see a 410 and list again, as after any gap.
    for (const watcher of [...this.watchers.values()].flatMap((set) => [...set])) {
      watcher.end(gone("the watch cache was rebuilt: start a new list and watch"));
    }
    this.watchers.clear();
    this.tellObservers(before, revision);
  }

  /** Forgets events up to `revision`. */
  trim(revision: number): void {
    this.ring.trim(revision);
  }

  private tellObservers(before: Tree, revision: number): void {
    if (this.observers.size === 0) return;
    const events: CacheEvent[] = [];
    for (const old of before.values()) {
      if (!this.objects.has(old.key)) events.push(new CacheEvent(revision, undefined, old));
    }
    for (const object of this.objects.values()) {
      const old = before.get(object.key);
      if (old?.revision !== object.revision) events.push(new CacheEvent(object.revision, object, old));
    }
    for (const observer of this.observers) for (const event of events) observer(event);
  }

  private publish(event: CacheEvent): void {
    this.received += 1;
    this.ring.push(event);
    for (const observer of this.observers) observer(event);
    if (this.watchers.size === 0) return;
    for (const id of scopesOf(event, this.indexedField)) {
      const set = this.watchers.get(id);
      if (set) for (const watcher of set) watcher.onEvent(event);
    }
  }

  private reindex(previous: StoredObject | undefined, current: StoredObject | undefined): void {
    if (!this.indexedField) return;
    const before = previous?.field(this.indexedField);
    const after = current?.field(this.indexedField);
    if (previous && before && before !== after) {
      const old = this.index.get(before);
      old?.delete(previous.key);
      if (old?.size === 0) this.index.delete(before);
    }
    if (!current || !after) return;
    const members = this.index.get(after) ?? new Map<string, StoredObject>();
    this.index.set(after, members.set(current.key, current));
  }
}

function collectRange(tree: Tree, scope: Scope, from: string): StoredObject[] {
  if (scope.type === "key") {
    const object = tree.get(scope.key);
    return object && scope.key >= from ? [object] : [];
  }
  const found: StoredObject[] = [];
  const add = (_key: string, object: StoredObject) => void found.push(object);
  // "0" follows "/", so [`ns/`, `ns0`) is exactly the namespace.
  const low = scope.type === "namespace" && from < `${scope.namespace}/` ? `${scope.namespace}/` : from;
  const high = scope.type === "namespace" ? `${scope.namespace}0` : "\uffff";
  if (low < high) tree.forRange(low, high, false, add);
  return found;
}

/** Watchers are kept by these texts, so that an event finds its watchers without asking each. */
function scopeId(scope: Scope): string {
  if (scope.type === "namespace") return `n:${scope.namespace}`;
  if (scope.type === "key") return `k:${scope.key}`;
  return scope.type === "index" ? `i:${scope.value}` : "*";
}

/** The ids of all scopes that an event belongs to, before or after it. */
function scopesOf(event: CacheEvent, indexedField: string | undefined): string[] {
  const { key, current, previous } = event;
  const ids = ["*", `k:${key}`];
  const slash = key.indexOf("/");
  if (slash >= 0) ids.push(`n:${key.slice(0, slash)}`);
  if (!indexedField) return ids;
  const after = current?.field(indexedField);
  const before = previous?.field(indexedField);
  if (after) ids.push(`i:${after}`);
  if (before && before !== after) ids.push(`i:${before}`);
  return ids;
}

// How the apiserver's own parts (authorization, admission, allocators, bootstrap) read and write objects in process.
import type { KubeObject, Unsaved } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";

/** A change as the cache saw it, with the state before where there was one. */
export type ObjectChange<T> =
  | { readonly type: "added"; readonly object: Readonly<T> }
  | { readonly type: "modified"; readonly object: Readonly<T>; readonly previous: Readonly<T> }
  | { readonly type: "deleted"; readonly object: Readonly<T> };

/** Reads from the watch cache: at once, and as old as the cache is. */
export interface ObjectReader {
  get<T extends KubeObject>(ref: ResourceRef<T>, namespace: string, name: string): Readonly<T> | undefined;
  /** All namespaces when `namespace` is undefined. */
  list<T extends KubeObject>(ref: ResourceRef<T>, namespace?: string): readonly Readonly<T>[];
  /** Reads etcd itself when the cache does not have the object, for decisions a stale cache would get wrong. */
  getLatest<T extends KubeObject>(
    ref: ResourceRef<T>,
    namespace: string,
    name: string,
    signal: AbortSignal,
  ): Promise<Readonly<T> | undefined>;
  /** Existing objects come first as "added", then every change once, in order. Handlers must not block. */
  observe<T extends KubeObject>(ref: ResourceRef<T>, onChange: (change: ObjectChange<T>) => void): Disposable;
}

/** Writes with defaults and validation but without admission, as the apiserver itself. Errors are ApiErrors. */
export interface ObjectWriter {
  create<T extends KubeObject>(ref: ResourceRef<T>, object: Unsaved<T>, signal: AbortSignal): Promise<Readonly<T>>;
  /** Compare-and-swap until `change` sticks; `change` gets a copy it may modify and return, or undefined to leave it. */
  update<T extends KubeObject>(
    ref: ResourceRef<T>,
    namespace: string,
    name: string,
    change: (current: T) => T | undefined,
    signal: AbortSignal,
    subresource?: string,
  ): Promise<Readonly<T>>;
  /** Of the object with that UID alone where one is given: throws Conflict for another one. */
  delete<T extends KubeObject>(
    ref: ResourceRef<T>,
    namespace: string,
    name: string,
    signal: AbortSignal,
    uid?: string,
  ): Promise<void>;
}

/**
 * Work around a write that must happen with it, such as taking a ClusterIP. `beforeCreate` and `beforeUpdate` may change the
 * object; when they have acquired something they return its undo, which is called if the write was certainly not made.
 */
export interface WriteHooks<T extends KubeObject = KubeObject> {
  readonly ref: ResourceRef<T>;
  beforeCreate?(object: T, dryRun: boolean, signal: AbortSignal): Promise<Undo | undefined>;
  beforeUpdate?(next: T, previous: Readonly<T>, dryRun: boolean, signal: AbortSignal): Promise<Undo | undefined>;
  /** Once the write is stored: gives back what `previous` held and `next` does not. Never called for dry runs. */
  afterUpdate?(next: Readonly<T>, previous: Readonly<T>, signal: AbortSignal): Promise<void>;
  afterDelete?(object: Readonly<T>, signal: AbortSignal): Promise<void>;
}

/** Gives back what a hook acquired. */
export type Undo = () => Promise<void>;

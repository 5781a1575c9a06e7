// The shape that all API objects share.
import type { ListMeta, ObjectMeta } from "../generated/types.ts";

/** Any object as it is stored and served. Objects from a cache are shared: treat them as read-only. */
export interface KubeObject {
  apiVersion?: string | undefined;
  kind?: string | undefined;
  metadata: ObjectMeta;
}

/** An object that its writer made: the server fills what of the metadata is missing. */
export type Unsaved<T extends KubeObject> = Omit<T, "metadata"> & { metadata: Partial<T["metadata"]> };

/** `metadata.continue` is set while there are more; `metadata.resourceVersion` is where a watch goes on. */
export interface KubeList<T extends KubeObject> {
  apiVersion?: string | undefined;
  kind?: string | undefined;
  metadata: ListMeta;
  items: T[];
}

/** `namespace/name`, or `name` for an object outside namespaces: the key of caches and queues. */
export function objectKey(object: { metadata: { namespace?: string | undefined; name: string } }): string {
  const { namespace, name } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

/** The way back from `objectKey`; names and namespaces have no slash. */
export function splitKey(key: string): { namespace: string; name: string } {
  const at = key.indexOf("/");
  return at < 0 ? { namespace: "", name: key } : { namespace: key.slice(0, at), name: key.slice(at + 1) };
}

/** `apps/v1`, or `v1` for the core group. */
export function groupVersion(group: string, version: string): string {
  return group ? `${group}/${version}` : version;
}

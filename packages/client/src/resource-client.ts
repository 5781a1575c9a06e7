// The verbs of one resource, typed: paths, queries and bodies as the API conventions have them.

import type { KubeList, KubeObject, Unsaved } from "@skiff/api/object.ts";
import { groupVersion } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { Method, RestAnswer, RestClient, RestRequest } from "./rest-client.ts";
import type { WatchEvent } from "./watch-stream.ts";
import { decodeWatch } from "./watch-stream.ts";

export type { WatchEvent } from "./watch-stream.ts";

/** Of every call. Errors are those of `RestClient.request`: ApiError or ConnectionError. */
export interface RequestOptions {
  readonly signal: AbortSignal;
  /** For the whole exchange, or for the opening of a watch; 60 s unless told. */
  readonly timeoutMs?: number;
}

/** Which objects of a resource; selectors are in their text form (`app=web,tier!=db`, `spec.nodeName=n1`). */
export interface Selection {
  /** All namespaces when absent or empty. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
}

export interface ListQuery extends Selection {
  /** Absent: the newest state. "0": whatever the server has at hand. */
  readonly resourceVersion?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
}

export interface WatchQuery extends Selection {
  /** Changes after this one; "" starts with what there is now. */
  readonly resourceVersion: string;
  /** Asks for BOOKMARK events, which carry a version and no object. */
  readonly allowWatchBookmarks?: boolean | undefined;
  /** When the server shall end the watch. */
  readonly timeoutSeconds?: number | undefined;
}

/** Upstream's DeleteOptions. */
export interface DeleteQuery {
  /** Absent: what the object's kind says. 0: at once, without waiting for a kubelet. */
  readonly gracePeriodSeconds?: number | undefined;
  /** The delete fails with 409 unless the object has this UID (and this version). */
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  /** What becomes of objects that this one owns; see the garbage collector. */
  readonly propagationPolicy?: "Orphan" | "Background" | "Foreground" | undefined;
}

export type PatchType = keyof typeof PATCH_TYPES;

const PATCH_TYPES = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
} as const;

/** Get one from `RestClient.of(ref)`. `namespace` is "" for objects outside namespaces. */
export class ResourceClient<T extends KubeObject> {
  readonly ref: ResourceRef<T>;
  private readonly rest: RestClient;
  private readonly apiVersion: string;
  private readonly root: string;

  constructor(rest: RestClient, ref: ResourceRef<T>) {
    this.rest = rest;
    this.ref = ref;
    this.apiVersion = groupVersion(ref.group, ref.version);
    this.root = `${ref.group ? "/apis" : "/api"}/${this.apiVersion}`;
  }

  async get(namespace: string, name: string, options: RequestOptions): Promise<T> {
    return this.object("GET", this.path(namespace, name), options);
  }

  async list(query: ListQuery, options: RequestOptions): Promise<KubeList<T>> {
    const { namespace, ...rest } = query;
    const answer = await this.rest.request({
      ...options,
      method: "GET",
      path: this.path(namespace),
      query: { ...rest },
    });
    const list = answer.body as KubeList<T> & { items: T[] | null };
    // Upstream leaves type names out of list items; they are put back so that listed and watched objects look alike.
    const items = list.items ?? [];
    for (const item of items) {
      item.apiVersion ??= this.apiVersion;
      item.kind ??= this.ref.kind;
    }
    return { ...list, items };
  }

  /** The answer has what the server filled in: name (of `generateName`), UID, defaults. 409 AlreadyExists. */
  async create(namespace: string, object: Unsaved<T>, options: RequestOptions): Promise<T> {
    return this.object("POST", this.path(namespace), options, this.typed(object));
  }

  /** Replaces spec and metadata; the status stays. 409 when the object's resourceVersion is no longer the newest. */
  async update(object: T, options: RequestOptions): Promise<T> {
    const { namespace = "", name } = object.metadata;
    return this.object("PUT", this.path(namespace, name), options, this.typed(object));
  }

  /** Replaces the status, under the same condition. */
  async updateStatus(object: T, options: RequestOptions): Promise<T> {
    const { namespace = "", name } = object.metadata;
    return this.object("PUT", this.path(namespace, name, "status"), options, this.typed(object));
  }

  /** Changes what `body` names, whatever else changed since; with `metadata.resourceVersion` in it only that version (409). */
  async patch(
    namespace: string,
    name: string,
    type: PatchType,
    body: unknown,
    options: RequestOptions & { readonly subresource?: string; readonly fieldManager?: string },
  ): Promise<T> {
    const { subresource, fieldManager, ...rest } = options;
    const answer = await this.rest.request({
      ...rest,
      method: "PATCH",
      path: this.path(namespace, name, subresource),
      query: { fieldManager },
      contentType: PATCH_TYPES[type],
      body,
    });
    return answer.body as T;
  }

  /** The answer is the object (still there, or as it was) or a Status; ask for the object's absence by `get`. */
  async delete(namespace: string, name: string, query: DeleteQuery, options: RequestOptions): Promise<void> {
    await this.rest.request({
      ...options,
      method: "DELETE",
      path: this.path(namespace, name),
      body: deleteOptions(query),
    });
  }

  async deleteCollection(
    namespace: string,
    selection: Omit<Selection, "namespace">,
    options: RequestOptions,
  ): Promise<void> {
    await this.rest.request({ ...options, method: "DELETE", path: this.path(namespace), query: { ...selection } });
  }

  /** POST to `pods/binding`, `pods/eviction`, `serviceaccounts/token`: the answer's type is the subresource's own. */
  async createSubresource(
    namespace: string,
    name: string,
    subresource: string,
    body: unknown,
    options: RequestOptions,
  ): Promise<unknown> {
    return (await this.exchange("POST", this.path(namespace, name, subresource), options, body)).body;
  }

  async getSubresource(
    namespace: string,
    name: string,
    subresource: string,
    options: RequestOptions & { readonly query?: NonNullable<RestRequest["query"]> },
  ): Promise<unknown> {
    return (await this.exchange("GET", this.path(namespace, name, subresource), options)).body;
  }

  /** Changes after `resourceVersion`; ends when the server ends it. Throws ApiError (410 when the version is too old). */
  async *watch(
    query: WatchQuery,
    options: RequestOptions & { readonly idleTimeoutMs?: number },
  ): AsyncGenerator<WatchEvent<T>, void, undefined> {
    const { namespace, ...rest } = query;
    const answer = await this.rest.stream({
      ...options,
      method: "GET",
      path: this.path(namespace),
      query: { ...rest, watch: true },
    });
    yield* decodeWatch<T>(answer.chunks);
  }

  private async object(method: Method, path: string, options: RequestOptions, body?: unknown): Promise<T> {
    return (await this.exchange(method, path, options, body)).body as T;
  }

  private exchange(method: Method, path: string, options: RequestOptions, body?: unknown): Promise<RestAnswer> {
    return this.rest.request({ ...options, method, path, body });
  }

  /** Writers may leave type names out. */
  private typed(object: object): object {
    return { apiVersion: this.apiVersion, kind: this.ref.kind, ...object };
  }

  private path(namespace: string | undefined, name?: string, subresource?: string): string {
    let path = this.root;
    if (this.ref.namespaced && namespace) path += `/namespaces/${encodeURIComponent(namespace)}`;
    path += `/${this.ref.plural}`;
    if (name !== undefined) path += `/${encodeURIComponent(name)}`;
    return subresource ? `${path}/${subresource}` : path;
  }
}

function deleteOptions({ uid, resourceVersion, ...rest }: DeleteQuery): object {
  const preconditions = uid || resourceVersion ? { preconditions: { uid, resourceVersion } } : {};
  return { apiVersion: "v1", kind: "DeleteOptions", ...rest, ...preconditions };
}

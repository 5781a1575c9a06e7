// Lists, watches and reads objects of any resource by their metadata alone, which is all that owners and finalizers need.

import type { KubeList, KubeObject } from "@skiff/api/object.ts";
import { groupVersion } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import type { ListQuery, RequestOptions, WatchQuery } from "@skiff/client/resource-client.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { WatchEvent } from "@skiff/client/watch-stream.ts";
import { decodeWatch } from "@skiff/client/watch-stream.ts";

/** Upstream's form for reading metadata alone: spec and status, the most of a pod, stay at the server. */
const OBJECT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/** What an Informer needs of a client, and reads of one object. Types of the answers are the resource's own. */
export class MetadataClient {
  readonly ref: ResourceRef;
  private readonly client: Pick<RestClient, "request" | "stream">;

  constructor(client: Pick<RestClient, "request" | "stream">, ref: ResourceRef) {
    this.client = client;
    this.ref = ref;
  }

  /** Rejects with the server's ApiError, such as NotFound. */
  async get(namespace: string, name: string, options: RequestOptions): Promise<KubeObject> {
    const path = resourcePath(this.ref, namespace, name);
    const answer = await this.client.request({ ...options, method: "GET", path, headers: { accept: OBJECT } });
    return this.typed(answer.body as KubeObject);
  }

  async list({ namespace, ...query }: ListQuery, options: RequestOptions): Promise<KubeList<KubeObject>> {
    const path = resourcePath(this.ref, namespace);
    const answer = await this.client.request({ ...options, method: "GET", path, query, headers: { accept: LIST } });
    const list = answer.body as KubeList<KubeObject>;
    return { ...list, items: (list.items ?? []).map((item) => this.typed(item)) };
  }

  async *watch(
    { namespace, ...query }: WatchQuery,
    options: RequestOptions & { readonly idleTimeoutMs?: number },
  ): AsyncGenerator<WatchEvent<KubeObject>, void, undefined> {
    const path = resourcePath(this.ref, namespace);
    const answer = await this.client.stream({
      ...options,
      method: "GET",
      path,
      query: { ...query, watch: true },
      headers: { accept: OBJECT },
    });
    for await (const event of decodeWatch<KubeObject>(answer.chunks))
      yield { ...event, object: this.typed(event.object) };
  }

  /** Keeps the metadata alone even where a server does not know the form asked for. */
  private typed({ metadata }: KubeObject): KubeObject {
    return { apiVersion: groupVersion(this.ref.group, this.ref.version), kind: this.ref.kind, metadata };
  }
}

/** The path of a collection, or of one object; cluster-wide without a namespace. */
export function resourcePath(ref: ResourceRef, namespace?: string, name?: string): string {
  const root = `${ref.group ? "/apis" : "/api"}/${groupVersion(ref.group, ref.version)}`;
  const scope = ref.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${root}${scope}/${ref.plural}${name === undefined ? "" : `/${encodeURIComponent(name)}`}`;
}

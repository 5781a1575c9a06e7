// Which node may read which object: references of the pods bound to it, counted so that they go with the last pod.
import { objectKey } from "@skiff/api/object.ts";
import { persistentVolumes, pods } from "@skiff/api/resource-ref.ts";
import type { ObjectReference, PersistentVolume, Pod } from "@skiff/api/types.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import { podReferences } from "./pod-references.ts";

/** Resources by plural name, as requests name them. */
export type ReferencedResource =
  | "secrets"
  | "configmaps"
  | "persistentvolumeclaims"
  | "persistentvolumes"
  | "resourceclaims"
  | "serviceaccounts"
  | "pods";

interface PodEntry {
  readonly nodeName: string;
  readonly vertices: ReadonlySet<string>;
}

export class NodeGraph implements Disposable {
  private readonly podEntries = new Map<string, PodEntry>();
  /** By object, then by node: how many of the node's pods refer to the object. */
  private readonly counts = new Map<string, Map<string, number>>();
  /** By volume: the claim that it is bound to, through which pods come to it. */
  private readonly claims = new Map<string, string>();
  private readonly subscriptions: readonly Disposable[];

  constructor(reader: ObjectReader) {
    const ofPods = reader.observe(pods, ({ type, object }) => {
      if (type === "deleted") this.setPod(objectKey(object), undefined);
      else this.setPod(objectKey(object), entryOf(object));
    });
    const ofVolumes = reader.observe(persistentVolumes, ({ type, object }) => {
      this.setVolume(object, type === "deleted" ? undefined : object.spec?.claimRef);
    });
    this.subscriptions = [ofPods, ofVolumes];
  }

  [Symbol.dispose](): void {
    for (const subscription of this.subscriptions) subscription[Symbol.dispose]();
  }

  hasPath(nodeName: string, resource: ReferencedResource, namespace: string, name: string): boolean {
    const id = resource === "persistentvolumes" ? this.claims.get(name) : vertex(resource, namespace, name);
    return id !== undefined && (this.counts.get(id)?.has(nodeName) ?? false);
  }

  private setVolume({ metadata }: Readonly<PersistentVolume>, claim: ObjectReference | undefined): void {
    if (!claim?.name) this.claims.delete(metadata.name);
    else this.claims.set(metadata.name, vertex("persistentvolumeclaims", claim.namespace ?? "", claim.name));
  }

  private setPod(key: string, next: PodEntry | undefined): void {
    const previous = this.podEntries.get(key);
    if (previous && next && previous.nodeName === next.nodeName && isSame(previous.vertices, next.vertices)) return;
    for (const id of previous?.vertices ?? []) this.count(id, previous?.nodeName ?? "", -1);
    for (const id of next?.vertices ?? []) this.count(id, next?.nodeName ?? "", 1);
    if (next) this.podEntries.set(key, next);
    else this.podEntries.delete(key);
  }

  private count(id: string, nodeName: string, by: number): void {
    const nodes = this.counts.get(id) ?? new Map<string, number>();
    const total = (nodes.get(nodeName) ?? 0) + by;
    if (total > 0) nodes.set(nodeName, total);
    else nodes.delete(nodeName);
    if (nodes.size > 0) this.counts.set(id, nodes);
    else this.counts.delete(id);
  }
}

function vertex(resource: ReferencedResource, namespace: string, name: string): string {
  return `${resource} ${namespace}/${name}`;
}

/** Undefined for a pod without node: nobody gains rights from it. */
function entryOf(pod: Readonly<Pod>): PodEntry | undefined {
  const nodeName = pod.spec.nodeName;
  if (!nodeName) return undefined;
  const namespace = pod.metadata.namespace ?? "";
  const references = podReferences(pod);
  const of = (resource: ReferencedResource, names: ReadonlySet<string>) =>
    [...names].map((name) => vertex(resource, namespace, name));
  const vertices = new Set([
    vertex("pods", namespace, pod.metadata.name),
    ...of("secrets", references.secrets),
    ...of("configmaps", references.configMaps),
    ...of("persistentvolumeclaims", references.persistentVolumeClaims),
    ...of("resourceclaims", references.resourceClaims),
    ...of("serviceaccounts", references.serviceAccounts),
  ]);
  return { nodeName, vertices };
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}

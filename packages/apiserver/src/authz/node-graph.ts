// Which node may read which object: references of the pods bound to it, counted so that they go with the last pod.
import { objectKey } from "@skiff/api/object.ts";
import { persistentVolumes, pods, volumeAttachments } from "@skiff/api/resource-ref.ts";
import type { PersistentVolume, Pod } from "@skiff/api/types.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import { podReferences } from "./pod-references.ts";

/** Resources by plural name, as requests name them. */
export type ReferencedResource =
  | "secrets"
  | "configmaps"
  | "persistentvolumeclaims"
  | "persistentvolumes"
  | "volumeattachments"
  | "resourceclaims"
  | "serviceaccounts"
  | "pods";

/** What a pod counted for, to be taken back when it changes or goes. */
interface PodEntry {
  readonly nodeName: string;
  readonly vertices: ReadonlySet<string>;
}

/**
 * Paths are short: pod to object, or pod to claim to volume to secret. Kept by counting, because a search
 * through all pods for each read of a kubelet would not scale.
 */
export class NodeGraph implements Disposable {
  private readonly podEntries = new Map<string, PodEntry>();
  /** By object, then by node: how many of the node's pods refer to the object. */
  private readonly counts = new Map<string, Map<string, number>>();
  /** By volume: the claim that it is bound to, through which pods come to it. */
  private readonly claims = new Map<string, string>();
  /** By secret: the volumes whose drivers are given it on the node. */
  private readonly secretVolumes = new Map<string, Set<string>>();
  private readonly volumeSecrets = new Map<string, readonly string[]>();
  /** By attachment: its node. */
  private readonly attachments = new Map<string, string>();
  private readonly subscriptions: readonly Disposable[];

  constructor(reader: ObjectReader) {
    const ofPods = reader.observe(pods, ({ type, object }) => {
      if (type === "deleted") this.setPod(objectKey(object), undefined);
      else this.setPod(objectKey(object), entryOf(object));
    });
    const ofVolumes = reader.observe(persistentVolumes, ({ type, object }) => {
      this.setVolume(object, type === "deleted");
    });
    const ofAttachments = reader.observe(volumeAttachments, ({ type, object: { metadata, spec } }) => {
      if (type === "deleted") this.attachments.delete(metadata.name);
      else this.attachments.set(metadata.name, spec.nodeName);
    });
    this.subscriptions = [ofPods, ofVolumes, ofAttachments];
  }

  [Symbol.dispose](): void {
    for (const subscription of this.subscriptions) subscription[Symbol.dispose]();
  }

  /** Whether some pod of the node needs the object. */
  hasPath(nodeName: string, resource: ReferencedResource, namespace: string, name: string): boolean {
    if (resource === "volumeattachments") return this.attachments.get(name) === nodeName;
    if (resource === "persistentvolumes") return this.hasVolume(nodeName, name);
    const id = vertex(resource, namespace, name);
    if (this.counts.get(id)?.has(nodeName)) return true;
    return [...(this.secretVolumes.get(id) ?? [])].some((volume) => this.hasVolume(nodeName, volume));
  }

  private hasVolume(nodeName: string, name: string): boolean {
    const claim = this.claims.get(name);
    return claim !== undefined && (this.counts.get(claim)?.has(nodeName) ?? false);
  }

  private setVolume(volume: Readonly<PersistentVolume>, isGone: boolean): void {
    const { name } = volume.metadata;
    const claim = isGone ? undefined : volume.spec?.claimRef;
    if (!claim?.name) this.claims.delete(name);
    else this.claims.set(name, vertex("persistentvolumeclaims", claim.namespace ?? "", claim.name));
    for (const secret of this.volumeSecrets.get(name) ?? []) {
      const volumes = this.secretVolumes.get(secret);
      if (volumes?.delete(name) && volumes.size === 0) this.secretVolumes.delete(secret);
    }
    const wanted = isGone ? [] : secretsOf(volume);
    if (wanted.length > 0) this.volumeSecrets.set(name, wanted);
    else this.volumeSecrets.delete(name);
    for (const secret of wanted) {
      this.secretVolumes.set(secret, (this.secretVolumes.get(secret) ?? new Set()).add(name));
    }
  }

  private setPod(key: string, next: PodEntry | undefined): void {
    const previous = this.podEntries.get(key);
    // Pods change their status all the time and their references hardly ever.
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

/** The key of an object; names hold neither blanks nor slashes. */
function vertex(resource: ReferencedResource, namespace: string, name: string): string {
  return `${resource} ${namespace}/${name}`;
}

/** What the node hands to the volume's driver; the controller's secrets are no business of a node. */
function secretsOf({ spec }: Readonly<PersistentVolume>): string[] {
  const { nodeStageSecretRef, nodePublishSecretRef, nodeExpandSecretRef } = spec?.csi ?? {};
  return [nodeStageSecretRef, nodePublishSecretRef, nodeExpandSecretRef].flatMap((ref) =>
    ref?.name ? [vertex("secrets", ref.namespace ?? "", ref.name)] : [],
  );
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

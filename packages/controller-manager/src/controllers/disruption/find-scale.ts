// The size that the controller of a pod is asked for: from the cache for kinds known here, by its scale subresource for others.
import { isNotFound } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import { controllerOf } from "@skiff/api/owner-references.ts";
import type {
  Deployment,
  OwnerReference,
  ReplicaSet,
  ReplicationController,
  Scale,
  StatefulSet,
} from "@skiff/api/types.ts";
import type { Lister } from "@skiff/client/informer.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import { discoverResources } from "../discover-resources.ts";
import type { FindScale } from "./count-pods.ts";

/** Kinds that most pods belong to; looking them up costs no request. */
export interface ScaleListers {
  readonly replicaSets: Lister<ReplicaSet>;
  readonly deployments: Lister<Deployment>;
  readonly replicationControllers: Lister<ReplicationController>;
  readonly statefulSets: Lister<StatefulSet>;
}

type Sized = KubeObject & { readonly spec?: { readonly replicas?: number | undefined } | undefined };
type Found = Awaited<ReturnType<FindScale>>;

/** For one pass: what the apiserver answers is asked for each time. */
export function scaleFinder(listers: ScaleListers, client: RestClient, signal: AbortSignal): FindScale {
  return async (namespace, owner) => {
    const lister = listerOf(listers, groupOf(owner), owner.kind);
    if (!lister) return askForScale(client, namespace, owner, signal);
    const found = sizeOf(lister, namespace, owner);
    if (!found || owner.kind !== "ReplicaSet") return found;
    const set = listers.replicaSets.get(namespace, owner.name);
    const parent = set && controllerOf(set);
    // During a rollout two ReplicaSets have pods; the Deployment says how many there are to be.
    return parent?.kind === "Deployment" ? sizeOf(listers.deployments, namespace, parent) : found;
  };
}

function groupOf({ apiVersion }: Readonly<OwnerReference>): string {
  return apiVersion.includes("/") ? (apiVersion.split("/")[0] ?? "") : "";
}

function listerOf(listers: ScaleListers, group: string, kind: string): Lister<Sized> | undefined {
  if (group === "apps" && kind === "ReplicaSet") return listers.replicaSets;
  if (group === "apps" && kind === "Deployment") return listers.deployments;
  if (group === "apps" && kind === "StatefulSet") return listers.statefulSets;
  return group === "" && kind === "ReplicationController" ? listers.replicationControllers : undefined;
}

function sizeOf(lister: Lister<Sized>, namespace: string, { name, uid }: Readonly<OwnerReference>): Found {
  const object = lister.get(namespace, name);
  // One of the same name that came later is not the controller of these pods.
  return object?.metadata.uid === uid ? { uid, replicas: object.spec?.replicas ?? 1 } : undefined;
}

async function askForScale(
  client: RestClient,
  namespace: string,
  owner: Readonly<OwnerReference>,
  signal: AbortSignal,
): Promise<Found> {
  const { resources } = await discoverResources(client, signal);
  const ref = resources.find((known) => known.group === groupOf(owner) && known.kind === owner.kind);
  if (!ref) return undefined;
  try {
    const scale = (await client.of(ref).getSubresource(namespace, owner.name, "scale", { signal })) as Scale;
    return scale.metadata?.uid === owner.uid ? { uid: owner.uid, replicas: scale.spec?.replicas ?? 0 } : undefined;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

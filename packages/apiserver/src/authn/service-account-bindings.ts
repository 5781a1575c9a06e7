// Whether the objects that a ServiceAccount token is bound to still live.
import type { KubeObject } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import { nodes, pods, secrets, serviceAccounts } from "@skiff/api/resource-ref.ts";
import { parseTime } from "@skiff/component-base/clock.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { ObjectClaim, ServiceAccountClaims } from "./service-account-token.ts";

// A deleted pod's containers may use its token a little longer, so that they can finish what they do.
const DELETION_LEEWAY_MS = 60_000;

/** Says what is gone or was replaced; undefined while everything that the token is bound to is alive. */
export async function findBrokenBinding(
  claims: ServiceAccountClaims,
  reader: ObjectReader,
  nowMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { namespace, serviceaccount, secret, pod, node } = claims;
  const isAlive = async (ref: ResourceRef, scope: string, claim: ObjectClaim) => {
    const cached = reader.get(ref, scope, claim.name);
    // Only a miss is worth asking etcd: the object may be younger than this server's cache.
    const object = cached?.metadata.uid === claim.uid ? cached : await reader.getLatest(ref, scope, claim.name, signal);
    return object?.metadata.uid === claim.uid && !isLongDeleted(object, nowMs);
  };
  if (!(await isAlive(serviceAccounts, namespace, serviceaccount))) return "service account has been deleted";
  if (secret) return (await isAlive(secrets, namespace, secret)) ? undefined : "secret has been deleted";
  // The node claim of a pod's token is for information; the pod is what binds it.
  if (pod) return (await isAlive(pods, namespace, pod)) ? undefined : "pod has been deleted";
  if (node) return (await isAlive(nodes, "", node)) ? undefined : "node has been deleted";
  return undefined;
}

function isLongDeleted(object: Readonly<KubeObject>, nowMs: number): boolean {
  const { deletionTimestamp } = object.metadata;
  return deletionTimestamp !== undefined && parseTime(deletionTimestamp) < nowMs - DELETION_LEEWAY_MS;
}

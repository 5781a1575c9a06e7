// The claim that a pod's volume names and the PersistentVolume that it is bound to, each checked against the other.
import { isNotFound } from "@skiff/api/errors.ts";
import { persistentVolumeClaims, persistentVolumes } from "@skiff/api/resource-ref.ts";
import type { PersistentVolume, PersistentVolumeClaim, Pod, Volume } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";

/** Each names the other. */
export interface BoundVolume {
  readonly claim: PersistentVolumeClaim;
  readonly persistent: PersistentVolume;
}

/** Throws upstream's words where they do not belong together. */
export async function findBoundVolume(
  pod: Pod,
  volume: Volume,
  client: Pick<RestClient, "of">,
  signal: AbortSignal,
): Promise<BoundVolume> {
  const name = volume.persistentVolumeClaim?.claimName ?? `${pod.metadata.name}-${volume.name}`;
  const claim = await boundClaim(pod, name, volume.ephemeral !== undefined, client, signal);
  return { claim, persistent: await volumeOf(claim, client, signal) };
}

async function boundClaim(
  pod: Pod,
  name: string,
  isEphemeral: boolean,
  client: Pick<RestClient, "of">,
  signal: AbortSignal,
): Promise<PersistentVolumeClaim> {
  const namespace = pod.metadata.namespace ?? "";
  const fail = (why: string) => new Error(`error processing PVC ${namespace}/${name}: ${why}`);
  const claim = await client
    .of(persistentVolumeClaims)
    .get(namespace, name, { signal })
    .catch((error: Error) => {
      throw fail(`failed to fetch PVC from API server: ${error.message}`);
    });
  // A claim that happens to have the name of a generic ephemeral volume's may hold another's data.
  const isOwned = claim.metadata.ownerReferences?.some(({ uid, controller }) => controller && uid === pod.metadata.uid);
  if (isEphemeral && !isOwned) {
    throw new Error(
      `PVC ${namespace}/${name} was not created for pod ${namespace}/${pod.metadata.name} (pod is not owner)`,
    );
  }
  if (claim.metadata.deletionTimestamp) throw fail("PVC is being deleted");
  if (claim.status?.phase !== "Bound" || !claim.spec?.volumeName) throw fail("PVC is not bound");
  return claim;
}

async function volumeOf(
  claim: PersistentVolumeClaim,
  client: Pick<RestClient, "of">,
  signal: AbortSignal,
): Promise<PersistentVolume> {
  const name = claim.spec?.volumeName ?? "";
  const volume = await client
    .of(persistentVolumes)
    .get("", name, { signal })
    .catch((error) => {
      if (isNotFound(error)) throw new Error(`failed to fetch PV ${name} from API server: ${error.message}`);
      throw error;
    });
  const owner = volume.spec?.claimRef;
  if (!owner)
    throw new Error(
      `found PV object ${name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim`,
    );
  // A claim that was deleted and made anew under its name has no right to the former's volume.
  if (owner.uid !== claim.metadata.uid) {
    throw new Error(
      `found PV object ${name} but its pv.Spec.ClaimRef.UID ${owner.uid} does not point to claim.UID ${claim.metadata.uid}`,
    );
  }
  return volume;
}

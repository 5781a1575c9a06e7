// Volumes behind claims: finds the volume that a claim is bound to and mounts it for the pod. Local, hostPath and NFS.
import { mkdir, stat } from "node:fs/promises";
import { isNotFound } from "@skiff/api/errors.ts";
import { persistentVolumeClaims, persistentVolumes } from "@skiff/api/resource-ref.ts";
import { matchesNodeSelectorTerm } from "@skiff/api/scheduling/node-affinity.ts";
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, Volume } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { PodPaths } from "../pod-paths.ts";
import { setUpHostPath } from "./host-path.ts";
import { bindMount, isMounted, mountNfs } from "./mounts.ts";
import { takeOwnership } from "./ownership.ts";

export interface PersistentVolumesDeps {
  readonly client: Pick<RestClient, "of">;
  readonly paths: PodPaths;
  node(): Readonly<Node> | undefined;
}

export class PersistentVolumes {
  private readonly deps: PersistentVolumesDeps;

  constructor(deps: PersistentVolumesDeps) {
    this.deps = deps;
  }

  /** The path to mount into containers; throws upstream's words where the claim or its volume will not do. Safe to repeat. */
  async setUp(pod: Pod, volume: Volume, signal: AbortSignal): Promise<string> {
    if (volume.nfs) return this.mountNfs(pod, volume.name, volume.nfs, []);
    const name = volume.persistentVolumeClaim?.claimName ?? `${pod.metadata.name}-${volume.name}`;
    const claim = await this.boundClaim(pod, name, volume.ephemeral !== undefined, signal);
    const persistent = await this.volumeOf(claim, signal);
    const { spec } = persistent;
    if (spec?.volumeMode === "Block") throw new Error("block volumes are not supported by this kubelet");
    checkNodeAffinity(persistent, this.deps.node());
    if (spec?.hostPath) {
      await setUpHostPath(spec.hostPath.path, spec.hostPath.type ?? "");
      return spec.hostPath.path;
    }
    if (spec?.local) return this.mountLocal(pod, persistent, spec.local);
    if (spec?.nfs) return this.mountNfs(pod, persistent.metadata.name, spec.nfs, spec.mountOptions ?? []);
    throw new Error(`no volume plugin of this kubelet matches persistent volume ${persistent.metadata.name}`);
  }

  private async boundClaim(
    pod: Pod,
    name: string,
    isEphemeral: boolean,
    signal: AbortSignal,
  ): Promise<PersistentVolumeClaim> {
    const namespace = pod.metadata.namespace ?? "";
    const fail = (why: string) => new Error(`error processing PVC ${namespace}/${name}: ${why}`);
    const claim = await this.deps.client
      .of(persistentVolumeClaims)
      .get(namespace, name, { signal })
      .catch((error: Error) => {
        throw fail(`failed to fetch PVC from API server: ${error.message}`);
      });
    const isOwned = claim.metadata.ownerReferences?.some(
      ({ uid, controller }) => controller && uid === pod.metadata.uid,
    );
    if (isEphemeral && !isOwned) throw fail("PVC was not created for the pod");
    if (claim.metadata.deletionTimestamp) throw fail("PVC is being deleted");
    if (claim.status?.phase !== "Bound" || !claim.spec?.volumeName) throw fail("PVC is not bound");
    return claim;
  }

  private async volumeOf(claim: PersistentVolumeClaim, signal: AbortSignal): Promise<PersistentVolume> {
    const name = claim.spec?.volumeName ?? "";
    const volume = await this.deps.client
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
    if (owner.uid !== claim.metadata.uid) {
      throw new Error(
        `found PV object ${name} but its pv.Spec.ClaimRef.UID ${owner.uid} does not point to claim.UID ${claim.metadata.uid}`,
      );
    }
    return volume;
  }

  private async mountLocal(pod: Pod, volume: PersistentVolume, { path }: { path: string }): Promise<string> {
    const found = await stat(path).catch(() => undefined);
    if (!found) throw new Error(`path ${JSON.stringify(path)} does not exist`);
    if (!found.isDirectory()) throw new Error(`path ${JSON.stringify(path)} is no directory`);
    const dir = this.deps.paths.volume(pod.metadata.uid ?? "", "kubernetes.io~local-volume", volume.metadata.name);
    await mkdir(dir, { recursive: true, mode: 0o750 });
    if (!(await isMounted(dir))) await bindMount(path, dir);
    await takeOwnership(dir, pod.spec?.securityContext);
    return dir;
  }

  private async mountNfs(
    pod: Pod,
    name: string,
    { server, path, readOnly }: { server: string; path: string; readOnly?: boolean | undefined },
    options: readonly string[],
  ): Promise<string> {
    const dir = this.deps.paths.volume(pod.metadata.uid ?? "", "kubernetes.io~nfs", name);
    await mkdir(dir, { recursive: true, mode: 0o750 });
    if (!(await isMounted(dir))) await mountNfs(`${server}:${path}`, dir, [...(readOnly ? ["ro"] : []), ...options]);
    return dir;
  }
}

function checkNodeAffinity(volume: PersistentVolume, node: Readonly<Node> | undefined): void {
  const terms = volume.spec?.nodeAffinity?.required?.nodeSelectorTerms;
  if (!terms || !node || terms.some((term) => matchesNodeSelectorTerm(term, node))) return;
  throw new Error("PersistentVolume's node affinity doesn't match: no matching NodeSelectorTerms");
}

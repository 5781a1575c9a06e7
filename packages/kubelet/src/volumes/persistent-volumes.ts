// Volumes behind claims, and those that a pod names itself: CSI, local, hostPath and NFS, as folders or as devices.
import { mkdir, rm, stat, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { matchesNodeSelectorTerm } from "@skiff/api/scheduling/node-affinity.ts";
import type { Node, PersistentVolume, PersistentVolumeClaim, Pod, Volume } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { PodPaths } from "../pod-paths.ts";
import { findBoundVolume } from "./bound-volume.ts";
import type { CsiVolume } from "./csi/csi-source.ts";
import { inlineCsiVolume, persistentCsiVolume } from "./csi/csi-source.ts";
import type { Csi } from "./csi/index.ts";
import { setUpHostPath } from "./host-path.ts";
import type { LocalDevices } from "./local-devices.ts";
import { bindMount, isMounted, mountNfs } from "./mounts.ts";
import { nfsMount } from "./nfs-mount.ts";
import { takeOwnership } from "./ownership.ts";
import { notProcessed, stepFailed } from "./volume-error.ts";
import { usedVolumes } from "./volume-use.ts";

/** What is loaded late is asked for by functions. */
export interface PersistentVolumesDeps {
  readonly client: Pick<RestClient, "of">;
  readonly paths: PodPaths;
  node(): Readonly<Node> | undefined;
  /** Asked for when a pod first has a volume of a driver. */
  csi(): Promise<Pick<Csi, "volumes" | "expand">>;
  /** Asked for when a pod first has a device as a file system. */
  localDevices(): Promise<Pick<LocalDevices, "bind">>;
}

/** A volume that a pod has, for those who measure it. */
export interface ReadyVolume {
  readonly path: string;
  /** What it is bound through; undefined for one that the pod names itself. */
  readonly claim: { readonly name: string; readonly namespace: string } | undefined;
  readonly csi: CsiVolume | undefined;
  /** Its server may be away, and whoever asks the kernel about it then waits without end. */
  readonly isRemote: boolean;
}

/** What controllers have bound and attached is only looked up here; the node never chooses a volume. */
export class PersistentVolumes {
  private readonly deps: PersistentVolumesDeps;
  /** By pod, then by the volume's name in it. */
  private readonly ready = new Map<string, Map<string, ReadyVolume>>();

  constructor(deps: PersistentVolumesDeps) {
    this.deps = deps;
  }

  /** The path for the pod's containers; throws VolumeError where the claim or its volume will not do. Safe to repeat. */
  async setUp(pod: Pod, volume: Volume, signal: AbortSignal): Promise<string> {
    const known = this.of(pod).get(volume.name);
    // A driver may want to hear of the pod again, and a claim may have grown; nothing else changes under a pod.
    if (known && !known.csi) return known.path;
    try {
      const ready = await this.setUpAny(pod, volume, signal);
      this.remember(pod, volume.name, ready);
      return ready.path;
    } catch (error) {
      signal.throwIfAborted();
      // What is mounted serves on while the API is away or the claim is not what it was.
      if (known) return known.path;
      throw error;
    }
  }

  /** By their names in the pod; those set up since the kubelet's start. */
  of(pod: Pick<Pod, "metadata">): ReadonlyMap<string, ReadyVolume> {
    return this.ready.get(pod.metadata.uid ?? "") ?? new Map();
  }

  /** The pod's volumes are torn down. */
  forget(podUid: string): void {
    this.ready.delete(podUid);
  }

  private remember(pod: Pod, name: string, ready: ReadyVolume): void {
    const uid = pod.metadata.uid ?? "";
    this.ready.set(uid, new Map([...this.of(pod), [name, ready]]));
  }

  private async setUpAny(pod: Pod, volume: Volume, signal: AbortSignal): Promise<ReadyVolume> {
    const inline = inlineCsiVolume(pod, volume);
    if (inline) {
      const path = await (await this.deps.csi()).volumes.setUp(pod, volume.name, inline, signal);
      return { path, claim: undefined, csi: inline, isRemote: false };
    }
    if (volume.nfs) {
      const path = await this.mountNfs(pod, volume.name, nfsMount(volume.nfs), signal);
      return { path, claim: undefined, csi: undefined, isRemote: true };
    }
    const { claim, persistent } = await findBoundVolume(pod, volume, this.deps.client, signal).catch((error) => {
      signal.throwIfAborted();
      throw notProcessed(volume.name, error);
    });
    checkUse(pod, volume.name, persistent);
    checkNodeAffinity(persistent, this.deps.node());
    const { name, namespace = "" } = claim.metadata;
    const readOnly = volume.persistentVolumeClaim?.readOnly ?? false;
    const csi = persistentCsiVolume(persistent, readOnly);
    const path = csi
      ? await this.setUpCsi(pod, volume.name, { csi, claim, persistent }, signal)
      : await this.setUpInTree(pod, persistent, readOnly, signal);
    return { path, claim: { name, namespace }, csi, isRemote: persistent.spec?.nfs !== undefined };
  }

  private async setUpCsi(
    pod: Pod,
    name: string,
    bound: { csi: CsiVolume; claim: PersistentVolumeClaim; persistent: PersistentVolume },
    signal: AbortSignal,
  ): Promise<string> {
    const csi = await this.deps.csi();
    const path = await csi.volumes.setUp(pod, name, bound.csi, signal);
    await csi.expand(pod, bound, signal);
    return path;
  }

  private async setUpInTree(
    pod: Pod,
    persistent: PersistentVolume,
    isReadOnly: boolean,
    signal: AbortSignal,
  ): Promise<string> {
    const { metadata, spec } = persistent;
    const isBlock = spec?.volumeMode === "Block";
    try {
      if (spec?.hostPath && !isBlock) {
        await setUpHostPath(spec.hostPath.path, spec.hostPath.type ?? "");
        return spec.hostPath.path;
      }
      if (spec?.local) {
        const { path } = spec.local;
        return await (isBlock ? this.mapLocal(pod, metadata.name, path) : this.mountLocal(pod, persistent, path));
      }
      if (spec?.nfs && !isBlock) {
        const mount = nfsMount(spec.nfs, { options: spec.mountOptions ?? [], isReadOnly });
        return await this.mountNfs(pod, metadata.name, mount, signal);
      }
      const what = isBlock ? "block persistent volume" : "persistent volume";
      throw new Error(`no volume plugin of this kubelet matches ${what} ${metadata.name}`);
    } catch (error) {
      throw stepFailed(isBlock ? "MapVolume.MapPodDevice" : "MountVolume.SetUp", metadata.name, error);
    }
  }

  private async mountLocal(pod: Pod, { metadata, spec }: PersistentVolume, path: string): Promise<string> {
    const { name } = metadata;
    const found = await stat(path).catch(() => undefined);
    if (!found) throw new Error(`path ${JSON.stringify(path)} does not exist`);
    const dir = this.deps.paths.volume(pod.metadata.uid ?? "", "kubernetes.io~local-volume", name);
    if (found.isBlockDevice()) {
      const { mountOptions = [], local } = spec ?? {};
      await (await this.deps.localDevices()).bind({ name, path, fsType: local?.fsType, mountOptions }, dir);
    } else if (found.isDirectory()) {
      await mkdir(dir, { recursive: true, mode: 0o750 });
      if (!(await isMounted(dir))) await bindMount(path, dir);
    } else {
      throw new Error(`path ${JSON.stringify(path)} is neither a directory nor a block device`);
    }
    await takeOwnership(dir, pod.spec?.securityContext);
    return dir;
  }

  /** A link to the device, where upstream has it. */
  private async mapLocal(pod: Pod, name: string, path: string): Promise<string> {
    const found = await stat(path).catch(() => undefined);
    if (!found?.isBlockDevice()) throw new Error(`path ${JSON.stringify(path)} is not a block device`);
    const link = this.deps.paths.device(pod.metadata.uid ?? "", "kubernetes.io~local-volume", name);
    await mkdir(dirname(link), { recursive: true, mode: 0o750 });
    await rm(link, { force: true });
    await symlink(path, link);
    return link;
  }

  private async mountNfs(
    pod: Pod,
    name: string,
    { from, options }: ReturnType<typeof nfsMount>,
    signal: AbortSignal,
  ): Promise<string> {
    const dir = this.deps.paths.volume(pod.metadata.uid ?? "", "kubernetes.io~nfs", name);
    // Asked first: to look at a folder that is mounted already is to ask the server.
    if (await isMounted(dir)) return dir;
    await mkdir(dir, { recursive: true, mode: 0o750 });
    await mountNfs(from, dir, options, signal);
    return dir;
  }
}

/** A folder cannot be given as a device, nor a device as a folder. */
function checkUse(pod: Pod, name: string, { spec }: PersistentVolume): void {
  const mode = spec?.volumeMode ?? "Filesystem";
  const used = usedVolumes(pod);
  const fail = (where: string) =>
    notProcessed(name, new Error(`volume ${name} has volumeMode ${mode}, but is specified in ${where}`));
  if (mode !== "Filesystem" && used.mounted.has(name)) throw fail("volumeMounts");
  if (mode !== "Block" && used.mapped.has(name)) throw fail("volumeDevices");
}

/** A local volume lives on one node: a pod that was bound by hand to another must not get an empty folder instead. */
function checkNodeAffinity({ metadata, spec }: PersistentVolume, node: Readonly<Node> | undefined): void {
  const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms;
  if (!terms || !node || terms.some((term) => matchesNodeSelectorTerm(term, node))) return;
  throw stepFailed("MountVolume.NodeAffinity check", metadata.name, "no matching NodeSelectorTerms");
}

// Sets up, refreshes and tears down the volumes of pods under the kubelet's root folder.

import { createHash } from "node:crypto";
import { chmodSync, chownSync, mkdirSync } from "node:fs";
import { chmod, chown, lstat, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Container, Pod, Volume, VolumeMount } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { PodFacts } from "../env/field-ref.ts";
import type { PodObjects } from "../env/make-env.ts";
import type { PodPaths } from "../pod-paths.ts";
import type { Payload } from "./atomic-writer.ts";
import { writeAtomically } from "./atomic-writer.ts";
import { mediumMount } from "./empty-dir-medium.ts";
import { setUpHostPath } from "./host-path.ts";
import { hasMountOption, isMounted, mountMedium, mountsUnder, unmountTree } from "./mounts.ts";
import type { CertificateSource, TokenSource, TrustSource } from "./payloads.ts";
import { volumePayload } from "./payloads.ts";
import type { PersistentVolumes } from "./persistent-volumes.ts";
import { NotIssuedError } from "./pod-certificates/not-issued-error.ts";
import { isRelabelled } from "./selinux/relabel.ts";
import { bindSubPath } from "./sub-path.ts";
import { stepFailed } from "./volume-error.ts";
import { usedVolumes } from "./volume-use.ts";

/** Folders that tell of volumes which somebody else must help to end. */
const CSI = "kubernetes.io~csi";
const LOCAL = "kubernetes.io~local-volume";

export interface VolumeManagerDeps {
  readonly paths: PodPaths;
  readonly objects: PodObjects;
  readonly tokens: TokenSource;
  readonly clock: Clock;
  /** Whether the runtime shall give files the containers' labels. */
  readonly hasSelinux?: boolean;
  /** Mounts what lies behind claims and drivers; asked for when a pod first has one. */
  persistent?(): Promise<Pick<PersistentVolumes, "setUp">>;
  /** Root certificates of the cluster; asked for when a pod first wants some. */
  trustBundles?(): Promise<TrustSource>;
  /** Certificates of pods' own; asked for when a pod first wants one. */
  certificates?(): Promise<CertificateSource>;
  /** Has the drivers end what they gave a pod; asked for where the pod's folder tells of a driver. */
  endCsi?(uid: string): Promise<void>;
  /** Unmounts devices that only this pod had; asked for where its folder tells of local volumes. */
  endLocal?(uid: string): Promise<void>;
  /** The pod's volumes are gone. */
  forget?(uid: string): void;
}

/** Volume name → the path on the node to mount into containers, or of the device to give them. */
export type MountedVolumes = ReadonlyMap<string, string>;

/** What is set up is found again on disk, so a restarted kubelet needs no memory of it. */
export class VolumeManager {
  private readonly deps: VolumeManagerDeps;
  /** What was last written, so that an unchanged volume costs no file access. Key: the volume's folder. */
  private readonly written = new Map<string, string>();
  private memoryMount: Promise<void> | undefined;

  constructor(deps: VolumeManagerDeps) {
    this.deps = deps;
  }

  /** Makes every volume of the pod ready, and refreshes those made of API objects. Safe to repeat. */
  async setUp(pod: Pod, facts: PodFacts, signal: AbortSignal): Promise<MountedVolumes> {
    const mounted = new Map<string, string>();
    const used = usedVolumes(pod);
    // Images are the runtime's to mount.
    const isWanted = ({ name, image }: Volume) => !image && (used.mounted.has(name) || used.mapped.has(name));
    const volumes = (pod.spec?.volumes ?? []).filter(isWanted);
    await Promise.all(
      volumes.map(async (volume) => {
        try {
          mounted.set(volume.name, await this.setUpOne(pod, volume, facts, signal));
        } catch (error) {
          signal.throwIfAborted();
          throw stepFailed("MountVolume.SetUp", volume.name, error);
        }
      }),
    );
    return mounted;
  }

  /** The path to mount for `mount` of `container`: the volume itself or, bound safely, the sub-path of it. */
  async mountPath(
    pod: Pod,
    container: Container,
    mount: VolumeMount,
    volumeDir: string,
    subPath: string,
  ): Promise<string> {
    if (subPath === "") return volumeDir;
    const index = container.volumeMounts?.indexOf(mount) ?? 0;
    const target = this.deps.paths.subPath(pod.metadata.uid ?? "", mount.name, container.name, index);
    await bindSubPath(volumeDir, subPath, target);
    return target;
  }

  /** Whether the runtime shall give the volume's files the container's SELinux label; without a name: the pod's own files. */
  async relabels(pod: Pod, name?: string, path = ""): Promise<boolean> {
    if (!this.deps.hasSelinux || name === undefined) return this.deps.hasSelinux ?? false;
    const volume = pod.spec?.volumes?.find((one) => one.name === name);
    return isRelabelled(volume, path, await hasMountOption(path, "seclabel"));
  }

  /** Removes everything of a pod that has ended, mounts first: nothing below a mount is ever deleted. */
  async tearDown(uid: string): Promise<void> {
    const dir = this.deps.paths.pod(uid);
    // Parts of a volume go before the volume, and a driver's own mounts only by the driver.
    await unmountTree(this.deps.paths.subPaths(uid));
    if (await this.hasCsi(uid)) await this.deps.endCsi?.(uid);
    await unmountTree(dir);
    if (await exists(this.deps.paths.volume(uid, LOCAL, ""))) await this.deps.endLocal?.(uid);
    if ((await mountsUnder(dir)).length > 0) throw new Error(`mounts are left under ${dir}`);
    await rm(dir, { recursive: true, force: true });
    const inMemory = join(this.memoryRoot, uid);
    await rm(inMemory, { recursive: true, force: true });
    this.deps.forget?.(uid);
    for (const path of this.written.keys()) {
      if (path.startsWith(`${dir}/`) || path.startsWith(`${inMemory}/`)) this.written.delete(path);
    }
  }

  /** UIDs of the pods that have a folder here. */
  async podsOnDisk(): Promise<string[]> {
    const folders = [this.deps.paths.pods, this.memoryRoot];
    const names = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])));
    return [...new Set(names.flat())];
  }

  private async hasCsi(uid: string): Promise<boolean> {
    const { paths } = this.deps;
    return (await exists(paths.volume(uid, CSI, ""))) || (await exists(paths.device(uid, CSI, "")));
  }

  private async setUpOne(pod: Pod, volume: Volume, facts: PodFacts, signal: AbortSignal): Promise<string> {
    if (volume.hostPath) {
      await setUpHostPath(volume.hostPath.path, volume.hostPath.type ?? "");
      return volume.hostPath.path;
    }
    if (volume.emptyDir) return this.setUpEmptyDir(pod, volume);
    const isPersistent = volume.persistentVolumeClaim ?? volume.ephemeral ?? volume.nfs ?? volume.csi;
    if (isPersistent && this.deps.persistent) return (await this.deps.persistent()).setUp(pod, volume, signal);
    const plugin = pluginOf(volume);
    if (!plugin) throw new Error(`no volume plugin of this kubelet matches volume ${volume.name}`);
    const { objects, tokens } = this.deps;
    const trustBundles = () =>
      this.deps.trustBundles?.() ?? Promise.reject(new Error("there are no trust bundles here"));
    const certificates = () =>
      this.deps.certificates?.() ?? Promise.reject(new Error("there are no pod certificates here"));
    const uid = pod.metadata.uid ?? "";
    // Secrets never reach a disk.
    const dir = plugin.inMemory
      ? join(await this.memory(), uid, plugin.name, volume.name)
      : this.deps.paths.volume(uid, plugin.name, volume.name);
    const context = { pod, facts, objects, tokens, trustBundles, certificates, signal };
    const payload = await volumePayload(volume, context).catch(async (error) => {
      // An earlier kubelet had a certificate, whose key only the files know: they serve until there is a new one.
      if (error instanceof NotIssuedError && (await exists(join(dir, "..data")))) return undefined;
      throw error;
    });
    if (payload) this.writePayload(dir, payload, pod.spec?.securityContext?.fsGroup);
    return dir;
  }

  private get memoryRoot(): string {
    return join(this.deps.paths.root, "memory-volumes");
  }

  /** One file system in memory for all pods: mounting one for each volume, as upstream does, costs two processes each. */
  private async memory(): Promise<string> {
    const root = this.memoryRoot;
    this.memoryMount ??= mountMemory(root).catch((error) => {
      this.memoryMount = undefined;
      throw error;
    });
    await this.memoryMount;
    return root;
  }

  private writePayload(dir: string, payload: Payload, fsGroup: number | undefined): void {
    const digest = digestOf(payload);
    if (this.written.get(dir) === digest) return;
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, fsGroup === undefined ? 0o777 : 0o2775);
    if (fsGroup !== undefined) chownSync(dir, 0, fsGroup);
    const stamp = new Date(this.deps.clock.now()).toISOString().slice(0, 19).replace(/[-:]/g, "_").replace("T", "_");
    writeAtomically(dir, payload, { stamp, fsGroup });
    this.written.set(dir, digest);
  }

  private async setUpEmptyDir(pod: Pod, volume: Volume): Promise<string> {
    const uid = pod.metadata.uid ?? "";
    const mount = mediumMount(pod, volume.emptyDir ?? {});
    const dir = this.deps.paths.volume(uid, "kubernetes.io~empty-dir", volume.name);
    const ready = this.deps.paths.volumeReady(uid, "kubernetes.io~empty-dir", volume.name);
    if ((await exists(ready)) && (!mount || (await isMounted(dir)))) return dir;
    await mkdir(dir, { recursive: true });
    if (mount && !(await isMounted(dir))) await mountMedium(mount.type, dir, mount.options);
    const fsGroup = pod.spec?.securityContext?.fsGroup;
    if (fsGroup !== undefined) await chown(dir, 0, fsGroup);
    // The umask must not narrow what upstream opens to every user of the pod.
    const [sticky, groupId] = [mount?.type === "tmpfs" ? 0o1000 : 0, fsGroup === undefined ? 0 : 0o2000];
    await chmod(dir, 0o777 | sticky | groupId);
    await mkdir(dirname(ready), { recursive: true });
    await writeFile(ready, "");
    return dir;
  }
}

async function mountMemory(root: string): Promise<void> {
  await mkdir(root, { recursive: true, mode: 0o750 });
  if (!(await isMounted(root))) await mountMedium("tmpfs", root, ["mode=0750", "nosuid", "noexec"]);
}

/** Upstream's escaped plugin name; `inMemory` for content that is secret or tells of the pod. */
function pluginOf(volume: Volume): { name: string; inMemory: boolean } | undefined {
  if (volume.configMap) return { name: "kubernetes.io~configmap", inMemory: false };
  if (volume.secret) return { name: "kubernetes.io~secret", inMemory: true };
  if (volume.downwardAPI) return { name: "kubernetes.io~downward-api", inMemory: true };
  if (volume.projected) return { name: "kubernetes.io~projected", inMemory: true };
  return undefined;
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

function digestOf(payload: Payload): string {
  const hash = createHash("sha256");
  for (const [path, file] of [...payload].sort(([a], [b]) => (a < b ? -1 : 1))) {
    hash.update(`${join(path)}\0${file.mode}\0${file.uid ?? ""}\0${file.data.length}\0`).update(file.data);
  }
  return hash.digest("hex");
}

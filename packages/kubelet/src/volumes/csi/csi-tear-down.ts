// Ends CSI volumes by what lies on the disk, so that it does not matter which kubelet began them.
import { readdir, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { isMounted, unmountTree } from "../mounts.ts";
import type { VolumeLocks } from "../volume-locks.ts";
import type { CsiDrivers } from "./csi-drivers.ts";
import type { CsiPaths, CsiPlace } from "./csi-paths.ts";
import { uniqueName } from "./csi-source.ts";
import { unlockDevice } from "./device-lock.ts";
import type { VolumeData } from "./volume-data.ts";
import { readVolumeData, removeVolumeData } from "./volume-data.ts";
import type { VolumesInUse } from "./volumes-in-use.ts";

export interface CsiTearDownDeps {
  readonly paths: CsiPaths;
  readonly drivers: Pick<CsiDrivers, "client">;
  readonly locks: VolumeLocks;
  readonly inUse: Pick<VolumesInUse, "hold" | "letGo" | "letGoAll">;
  readonly clock: Clock;
  readonly log: Logger;
  /** What was set up is set up no more. */
  forgetTarget(target: string): void;
  forgetStaged(staging: string): void;
}

/** A volume as its vol_data.json tells of it. */
export interface StoredVolume {
  readonly specName: string;
  readonly driver: string;
  readonly handle: string;
  readonly isBlock: boolean;
  readonly isPersistent: boolean;
  /** The SELinux label of its mount; "" where it has none of its own. */
  readonly label: string;
}

/** Holds a volume in use beside the UIDs of pods. */
export const UNSTAGING = "unstaging";
const RETRY_INITIAL_MS = 1000;
const RETRY_MAX_MS = 122_000;

/**
 * Unpublish for each pod, unstage with the last pod of the node, then the attacher may detach: in this order, or data
 * is lost.
 */
export class CsiTearDown {
  private readonly deps: CsiTearDownDeps;
  /** By unique name: unstaging that failed and comes up again. */
  private readonly retries = new Map<string, { waitMs: number; timer: Disposable }>();

  constructor(deps: CsiTearDownDeps) {
    this.deps = deps;
  }

  /** Takes every CSI volume from a pod; throws while a driver is away or refuses. */
  async tearDown(uid: string): Promise<void> {
    for (const volume of await storedVolumes(this.deps.paths, uid)) {
      await this.deps.locks.run(uniqueName(volume), async () => {
        await this.unpublish(uid, volume);
        await this.unstageUnlessUsed(volume);
      });
    }
    // What no vol_data.json tells of is nobody's but the pod's.
    await unmountTree(this.deps.paths.podVolumes(uid));
    this.deps.inUse.letGoAll(uid);
  }

  /** Pods that have the volume, by UID. */
  async users(volume: Pick<StoredVolume, "driver" | "handle">): Promise<string[]> {
    return [...(await this.labels(volume)).keys()];
  }

  /** The same pods, with the SELinux label of each one's mount. */
  async labels(volume: Pick<StoredVolume, "driver" | "handle">): Promise<ReadonlyMap<string, string>> {
    const labels = new Map<string, string>();
    for (const uid of await names(this.deps.paths.pods)) {
      const stored = await storedVolumes(this.deps.paths, uid);
      const own = stored.find(({ driver, handle }) => driver === volume.driver && handle === volume.handle);
      if (own) labels.set(uid, own.label);
    }
    return labels;
  }

  /** Unstages what an earlier kubelet left staged for nobody; asked for when the driver comes up. */
  async sweep(driver: string): Promise<void> {
    for (const volume of await stagedVolumes(this.deps.paths)) {
      if (volume.driver !== driver) continue;
      await this.deps.locks.run(uniqueName(volume), () => this.unstageUnlessUsed(volume));
    }
  }

  private async unpublish(uid: string, volume: StoredVolume): Promise<void> {
    const place = this.deps.paths.place(uid, volume);
    try {
      const client = this.deps.drivers.client(volume.driver);
      if (volume.isBlock) await unlockDevice(place.target);
      await client.unpublish(volume.handle, place.target);
    } catch (error) {
      const why = `kubernetes.io/csi: Unmounter.TearDownAt failed: ${(error as Error).message}`;
      throw new Error(`UnmountVolume.TearDown failed for volume "${volume.specName}" : ${why}`, { cause: error });
    }
    this.deps.forgetTarget(place.target);
    await this.clearTarget(place, volume);
  }

  /** Whatever the driver left; never through a mount, and never with what somebody wrote below it. */
  private async clearTarget(place: CsiPlace, { isBlock }: StoredVolume): Promise<void> {
    await unmountTree(place.target);
    if (isBlock) {
      await rm(place.target, { force: true });
      await rm(place.mark, { force: true });
      return;
    }
    await removeEmpty(place.target);
    await removeVolumeData(place.targetData);
    await removeEmpty(place.targetData);
  }

  private async unstageUnlessUsed(volume: StoredVolume): Promise<void> {
    if (!volume.isPersistent || (await this.users(volume)).length > 0) return;
    const key = uniqueName(volume);
    try {
      await this.unstage(volume);
      this.deps.inUse.letGo(key, UNSTAGING);
      this.retries.get(key)?.timer[Symbol.dispose]();
      this.retries.delete(key);
    } catch (error) {
      this.deps.inUse.hold(key, UNSTAGING);
      this.retryUnstage(key, volume, error);
    }
  }

  private async unstage(volume: StoredVolume): Promise<void> {
    const { paths, drivers } = this.deps;
    const place = paths.place("", volume);
    this.deps.forgetStaged(place.staging);
    if (!(await readVolumeData(place.stagingData))) return;
    const client = drivers.client(volume.driver);
    if (await client.can("STAGE_UNSTAGE_VOLUME")) await client.unstage(volume.handle, place.staging);
    if (await isMounted(place.staging)) await unmountTree(place.staging);
    await removeEmpty(place.staging);
    await removeVolumeData(place.stagingData);
    await removeEmpty(place.stagingData);
    if (volume.isBlock) await this.clearDevice(volume.specName);
  }

  private async clearDevice(specName: string): Promise<void> {
    const { devices } = this.deps.paths;
    for (const dir of [join(devices, specName), join(devices, "publish", specName)]) await removeEmpty(dir);
  }

  /** The pod is not kept for it, as upstream has it; the volume stays in use until the driver has let go. */
  private retryUnstage(key: string, volume: StoredVolume, error: unknown): void {
    const { clock, log, locks } = this.deps;
    const known = this.retries.get(key);
    known?.timer[Symbol.dispose]();
    const waitMs = Math.min(RETRY_MAX_MS, Math.max(RETRY_INITIAL_MS, (known?.waitMs ?? 0) * 2));
    log.warn({ err: error, volume: key, retryMs: waitMs }, "volume could not be unstaged, trying again");
    const again = () => void locks.run(key, () => this.unstageUnlessUsed(volume));
    this.retries.set(key, { waitMs, timer: clock.after(waitMs, again) });
  }
}

/** The pod's CSI volumes as its folder tells of them. */
export async function storedVolumes(paths: CsiPaths, uid: string): Promise<StoredVolume[]> {
  const found: StoredVolume[] = [];
  for (const name of await names(paths.podVolumes(uid))) {
    const data = await readVolumeData(join(paths.podVolumes(uid), name));
    if (data) found.push(stored(data, name, false));
  }
  for (const name of await names(paths.podDevices(uid))) {
    const data = await readVolumeData(join(paths.devices, name, "data"));
    if (data) found.push(stored(data, name, true));
  }
  return found;
}

/** What is staged on this node. */
export async function stagedVolumes(paths: CsiPaths): Promise<StoredVolume[]> {
  const found: StoredVolume[] = [];
  for (const driver of await names(paths.root)) {
    if (driver === "volumeDevices") continue;
    for (const hash of await names(join(paths.root, driver))) {
      const data = await readVolumeData(join(paths.root, driver, hash));
      if (data) found.push(stored(data, data.specVolID ?? "", false));
    }
  }
  for (const name of await names(paths.devices)) {
    const data = await readVolumeData(join(paths.devices, name, "data"));
    if (data) found.push(stored(data, name, true));
  }
  return found;
}

function stored(data: VolumeData, name: string, isBlock: boolean): StoredVolume {
  const { driverName: driver, volumeHandle: handle, specVolID, volumeLifecycleMode } = data;
  const isPersistent = volumeLifecycleMode !== "Ephemeral";
  return { specName: specVolID ?? name, driver, handle, isBlock, isPersistent, label: data.seLinuxMountContext ?? "" };
}

async function names(dir: string): Promise<string[]> {
  return readdir(dir).catch(() => []);
}

async function removeEmpty(dir: string): Promise<void> {
  await rmdir(dir).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "ENOENT") throw error;
  });
}

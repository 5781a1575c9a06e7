// Local volumes that are devices but wanted as file systems: formatted when blank, mounted once, bound into each pod.
import { execFile } from "node:child_process";
import { mkdir, readdir, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { PodPaths } from "../pod-paths.ts";
import { bindMount, isMounted, mountDevice, unmountTree } from "./mounts.ts";
import { VolumeLocks } from "./volume-locks.ts";

const run = promisify(execFile);

const LOCAL_PLUGIN = "kubernetes.io~local-volume";
/** Kubernetes defaults to it for a blank device. */
const DEFAULT_TYPE = "ext4";
/** blkid's answer for a device on which it finds nothing. */
const NOTHING_FOUND = 2;
/** fsck found what it cannot mend. */
const UNCORRECTED = 4;

/** `path` is the device; no file system type means that which is on it. */
export interface LocalDevice {
  /** Of the PersistentVolume. */
  readonly name: string;
  readonly path: string;
  readonly fsType: string | undefined;
  readonly mountOptions: readonly string[];
}

/** A device can be mounted once, and pods of a node may share it: so it lies at one place and is bound to theirs. */
export class LocalDevices {
  private readonly paths: PodPaths;
  private readonly locks = new VolumeLocks();

  constructor(paths: PodPaths) {
    this.paths = paths;
  }

  /** Shows the device's file system at `dir`, a folder of the pod. Safe to repeat. */
  async bind(device: LocalDevice, dir: string): Promise<void> {
    await this.locks.run(device.name, async () => {
      // The pod's folder first: it says that the volume is in use.
      await mkdir(dir, { recursive: true, mode: 0o750 });
      const shared = join(this.mounts, device.name);
      await mkdir(shared, { recursive: true, mode: 0o750 });
      if (!(await isMounted(shared))) await mountFormatted(device, shared);
      if (!(await isMounted(dir))) await bindMount(shared, dir);
    });
  }

  /** Unmounts what only this pod had; its own folders must be unmounted by now. */
  async release(podUid: string): Promise<void> {
    for (const name of await namesIn(this.mounts)) {
      await this.locks.run(name, async () => {
        if (await this.hasUser(name, podUid)) return;
        const shared = join(this.mounts, name);
        await unmountTree(shared);
        await rmdir(shared);
      });
    }
  }

  private get mounts(): string {
    return join(this.paths.root, "plugins", "kubernetes.io", "local-volume", "mounts");
  }

  private async hasUser(name: string, except: string): Promise<boolean> {
    for (const uid of await namesIn(this.paths.pods)) {
      if (uid === except) continue;
      if (await stat(this.paths.volume(uid, LOCAL_PLUGIN, name)).catch(() => undefined)) return true;
    }
    return false;
  }
}

async function namesIn(dir: string): Promise<string[]> {
  return readdir(dir).catch(() => []);
}

async function mountFormatted({ path, fsType, mountOptions }: LocalDevice, to: string): Promise<void> {
  const present = await formatOf(path);
  const wanted = fsType || present || DEFAULT_TYPE;
  // No reserve for root, as upstream: all of the volume is the pod's.
  if (!present) await run(`mkfs.${wanted}`, /^ext[34]$/.test(wanted) ? ["-F", "-m0", path] : [path]);
  else await check(path);
  await mountDevice(path, to, wanted, mountOptions).catch((error) => {
    if (!present || present === wanted) throw error;
    const what = `failed to mount the volume as ${JSON.stringify(wanted)}, it already contains ${present}`;
    throw new Error(`${what}. Mount error: ${error.message}`, { cause: error });
  });
}

/** The file system on a device; empty for a blank one. Throws for one with something else on it, such as partitions. */
async function formatOf(device: string): Promise<string> {
  const found = await run("blkid", ["-p", "-s", "TYPE", "-s", "PTTYPE", "-o", "export", device]).catch((error) => {
    if (error.code === NOTHING_FOUND) return { stdout: "" };
    throw error;
  });
  const type = /^TYPE=(.+)$/m.exec(found.stdout)?.[1];
  if (!type && /^PTTYPE=/m.test(found.stdout)) throw new Error(`${device} holds partitions, not a file system`);
  return type ?? "";
}

async function check(device: string): Promise<void> {
  await run("fsck", ["-a", device]).catch((error) => {
    if (error.code !== UNCORRECTED) return;
    throw new Error(`'fsck' found errors on device ${device} but could not correct them: ${error.stdout}`);
  });
}

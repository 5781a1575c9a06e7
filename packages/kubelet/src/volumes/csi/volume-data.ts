// vol_data.json, in which the kubelet remembers beside a volume what it is, so that one started later can end it.
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { CsiVolume } from "./csi-source.ts";

const FILE = "vol_data.json";

/** Upstream's keys. */
export interface VolumeData {
  readonly driverName: string;
  readonly volumeHandle: string;
  readonly specVolID?: string;
  readonly volumeLifecycleMode?: string;
  readonly nodeName?: string;
  readonly attachmentID?: string;
  /** The SELinux label that it is mounted with, where it is. */
  readonly seLinuxMountContext?: string;
}

/** The same keys and values as upstream's, so that either kubelet can take over the other's volumes. */
export function volumeDataOf(volume: CsiVolume, nodeName: string, label = ""): VolumeData {
  return {
    specVolID: volume.specName,
    volumeHandle: volume.handle,
    driverName: volume.driver,
    nodeName,
    attachmentID: attachmentName(volume, nodeName),
    volumeLifecycleMode: volume.lifecycle,
    ...(label ? { seLinuxMountContext: label } : {}),
  };
}

/** The VolumeAttachment of a volume on a node. */
export function attachmentName({ handle, driver }: Pick<CsiVolume, "handle" | "driver">, nodeName: string): string {
  return `csi-${createHash("sha256").update(`${handle}${driver}${nodeName}`).digest("hex")}`;
}

/** Replaces the file as a whole. */
export async function writeVolumeData(dir: string, data: VolumeData): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o750 });
  const path = join(dir, FILE);
  // Half a file would hide a mounted volume from the next kubelet.
  await writeFile(`${path}.tmp`, JSON.stringify(data), { mode: 0o644 });
  await rename(`${path}.tmp`, path);
}

/** Undefined where there is none, or none that can be read. */
export async function readVolumeData(dir: string): Promise<VolumeData | undefined> {
  try {
    const data = JSON.parse(await readFile(join(dir, FILE), "utf8")) as Partial<VolumeData>;
    const { driverName, volumeHandle } = data;
    if (typeof driverName !== "string" || typeof volumeHandle !== "string") return undefined;
    return { ...data, driverName, volumeHandle };
  } catch {
    // Not there, or broken: either way nothing is known.
    return undefined;
  }
}

/** One that is not there is fine. */
export async function removeVolumeData(dir: string): Promise<void> {
  await rm(join(dir, `${FILE}.tmp`), { force: true });
  await rm(join(dir, FILE), { force: true });
}

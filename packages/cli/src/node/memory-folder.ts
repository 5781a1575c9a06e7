// A folder that is kept in memory, as /run is on most machines; where it lies on a disk, a tmpfs is mounted on it.
import { mkdirSync, readFileSync, statfsSync } from "node:fs";
import { runCommand } from "@skiff/component-base/command.ts";

/** TMPFS_MAGIC and RAMFS_MAGIC of the kernel's magic.h. */
const IN_MEMORY: ReadonlySet<number> = new Set([0x01021994, 0x858458f6]);
/** A bound only: what is not written takes no memory. */
const OPTIONS = "size=256m,mode=755,nosuid,nodev";

/**
 * containerd and runc write their state synchronously and in many small files, which on a disk costs every pod's start a
 * tenth of its processor time and dozens of waits. Where nothing may be mounted, the folder stays on the disk.
 */
export async function makeMemoryFolder(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true });
  if (IN_MEMORY.has(statfsSync(folder).type)) return;
  await runCommand("mount", ["-t", "tmpfs", "-o", OPTIONS, "skiff", folder]);
}

/** Undoes `makeMemoryFolder`. What is mounted below the folder must be gone. */
export async function releaseMemoryFolder(folder: string): Promise<void> {
  if (!isMountPoint(readFileSync("/proc/self/mountinfo", "utf8"), folder)) return;
  const { code } = await runCommand("umount", [folder]);
  if (code !== 0) await runCommand("umount", ["--lazy", folder]);
}

/** By the text of /proc/self/mountinfo. */
export function isMountPoint(mountInfo: string, folder: string): boolean {
  return mountInfo.split("\n").some((line) => line.split(" ")[4]?.replaceAll("\\040", " ") === folder);
}

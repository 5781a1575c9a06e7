// Sizes of file systems and of folders of logs, in the shape of upstream's FsStats.
import { lstat, readdir, statfs } from "node:fs/promises";
import { join } from "node:path";

/** Bytes and counts of inodes. */
export interface FsStats {
  readonly time: string;
  readonly availableBytes: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly inodesFree: number;
  readonly inodes: number;
  readonly inodesUsed: number;
}

/** Of the whole file system that `path` lies on; rejects where there is no such path. */
export async function fsStats(path: string, time: string): Promise<FsStats> {
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(path);
  return {
    time,
    availableBytes: bavail * bsize,
    capacityBytes: blocks * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodesFree: ffree,
    inodes: files,
    inodesUsed: files - ffree,
  };
}

/** What the files directly in a folder take; nothing when it is not there. */
export async function folderUsage(folder: string): Promise<{ usedBytes: number; inodesUsed: number }> {
  const names = await readdir(folder).catch(() => []);
  // A file may be rotated away between the two calls.
  const files = await Promise.all(names.map((name) => lstat(join(folder, name)).catch(() => undefined)));
  const present = files.filter((file) => file !== undefined);
  return {
    usedBytes: present.reduce((sum, file) => sum + file.blocks * 512, 0),
    inodesUsed: present.length,
  };
}

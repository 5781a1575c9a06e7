// Sizes of file systems and of folders of logs, in the shape of upstream's FsStats.
import { lstat, readdir, statfs } from "node:fs/promises";
import { join } from "node:path";
import { commandOutput } from "@skiff/component-base/command.ts";

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

/** How long the server of a network file system may think about its size. */
const REMOTE_MS = 5000;
/** What stat(1) prints: the unit of blocks, blocks in all, free and for users, then inodes in all and free. */
const FORMAT = "%S %b %f %a %c %d";

/**
 * The same of a file system whose server may be away. The kernel lets nobody go who asks it then, and Node has four
 * threads for all its files, so the question is put by a process that can be killed.
 */
export async function remoteFsStats(path: string, time: string, timeoutMs = REMOTE_MS): Promise<FsStats> {
  const signal = AbortSignal.timeout(timeoutMs);
  const text = await commandOutput("stat", ["--file-system", `--format=${FORMAT}`, path], { signal, kill: true });
  const [unit = 0, blocks = 0, free = 0, available = 0, inodes = 0, inodesFree = 0] = text
    .trim()
    .split(" ")
    .map(Number);
  return {
    time,
    availableBytes: available * unit,
    capacityBytes: blocks * unit,
    usedBytes: (blocks - free) * unit,
    inodesFree,
    inodes,
    inodesUsed: inodes - inodesFree,
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

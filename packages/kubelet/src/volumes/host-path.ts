// hostPath volumes: checks, and where asked for creates, what the pod will see.

import type { Stats } from "node:fs";
import { mkdir, open, stat } from "node:fs/promises";

type Check = { readonly is: (stats: Stats) => boolean; readonly name: string };

/** By the API's types of hostPath. */
const CHECKS: Record<string, Check> = {
  Directory: { is: (stats) => stats.isDirectory(), name: "a directory" },
  DirectoryOrCreate: { is: (stats) => stats.isDirectory(), name: "a directory" },
  File: { is: (stats) => stats.isFile(), name: "a file" },
  FileOrCreate: { is: (stats) => stats.isFile(), name: "a file" },
  Socket: { is: (stats) => stats.isSocket(), name: "a socket file" },
  CharDevice: { is: (stats) => stats.isCharacterDevice(), name: "a character device" },
  BlockDevice: { is: (stats) => stats.isBlockDevice(), name: "a block device" },
};

/** Throws upstream's words when `path` is not of `type`; the empty type takes everything, even nothing. */
export async function setUpHostPath(path: string, type: string): Promise<void> {
  if (type === "") return;
  const check = CHECKS[type];
  if (!check) throw new Error(`${type} is an invalid volume type`);
  if (type === "DirectoryOrCreate") await createFolder(path);
  if (type === "FileOrCreate") await createFile(path);
  const stats = await stat(path).catch(() => undefined);
  if (!stats || !check.is(stats)) throw new Error(`hostPath type check failed: ${path} is not ${check.name}`);
}

async function createFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o755 }).catch((error: NodeJS.ErrnoException) => {
    // Something else is there: the check that follows says what was wanted.
    if (error.code !== "EEXIST") throw error;
  });
}

async function createFile(path: string): Promise<void> {
  // The parent must exist, as upstream has it; whatever else is wrong shows in the check that follows.
  const handle = await open(path, "ax", 0o644).catch(() => undefined);
  await handle?.close();
}

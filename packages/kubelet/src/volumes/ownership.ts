// Gives a volume to the pod's group, as fsGroup and its change policy say.
import { chmod, chown, lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { PodSecurityContext } from "@skiff/api/types.ts";

const SET_GROUP_ID = 0o2000;
/** Read and write for the group; folders also search and hand their group on. */
const FILE_BITS = 0o060;
const FOLDER_BITS = 0o070 | SET_GROUP_ID;

/** Nothing without an fsGroup. Never takes away rights that a file has. */
export async function takeOwnership(dir: string, context: PodSecurityContext | undefined): Promise<void> {
  const group = context?.fsGroup;
  if (group === undefined) return;
  // Walking a large volume takes minutes, so a pod may ask to trust its root.
  if (context?.fsGroupChangePolicy === "OnRootMismatch" && (await hasOwnership(dir, group))) return;
  await give(dir, group);
}

async function hasOwnership(dir: string, group: number): Promise<boolean> {
  const { gid, mode } = await lstat(dir);
  return gid === group && (mode & FOLDER_BITS) === FOLDER_BITS;
}

/** The root last: an interrupted walk must not look complete. */
async function give(path: string, group: number): Promise<void> {
  const stats = await lstat(path);
  if (stats.isSymbolicLink()) return;
  if (stats.isDirectory()) for (const name of await readdir(path)) await give(join(path, name), group);
  await chown(path, stats.uid, group);
  await chmod(path, (stats.mode & 0o7777) | (stats.isDirectory() ? FOLDER_BITS : FILE_BITS));
}

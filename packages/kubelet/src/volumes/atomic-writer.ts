// Writes the files of a volume so that readers see all of the old or all of the new, through the `..data` symlink.
import {
  chmod,
  chown,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
} from "node:fs/promises";
import { dirname, join, sep } from "node:path";

/** One file of a volume. */
export interface FileContent {
  readonly data: Buffer;
  /** Permission bits, such as 0o644. */
  readonly mode: number;
  /** Owner of this file alone, as for a token that one user reads. */
  readonly uid?: number | undefined;
}

/** Relative path → content. */
export type Payload = ReadonlyMap<string, FileContent>;

const DATA = "..data";

/**
 * Makes `dir` show exactly `payload`, as upstream lays it out: `..data` → `..2026_…`, and a symlink per top-level name.
 * A crash at any point leaves the old or the new content. Returns whether anything changed.
 */
export async function writeAtomically(
  dir: string,
  payload: Payload,
  options: { stamp: string; fsGroup?: number | undefined },
): Promise<boolean> {
  for (const path of payload.keys()) checkPath(path);
  const old = await readlink(join(dir, DATA)).catch(() => undefined);
  if (old && (await isSame(join(dir, old), payload, options.fsGroup))) {
    await linkNames(dir, payload);
    return false;
  }
  const fresh = await mkdtemp(join(dir, `..${options.stamp}.`));
  await writeFiles(fresh, payload, options.fsGroup);
  await linkNames(dir, payload);
  const temporary = join(dir, `${DATA}_tmp`);
  await rm(temporary, { force: true });
  await symlink(fresh.slice(dir.length + 1), temporary);
  await rename(temporary, join(dir, DATA));
  // After the switch: until then readers may still be in the old version.
  await unlinkStale(dir, payload);
  await removeOldVersions(dir, fresh.slice(dir.length + 1));
  return true;
}

function checkPath(path: string): void {
  const parts = path.split(sep);
  if (path === "" || path.startsWith(sep) || parts.includes("..") || parts[0]?.startsWith("..")) {
    throw new Error(`invalid path ${JSON.stringify(path)} in a volume`);
  }
}

/** Whether the version on disk holds these bytes with these modes; links are not judged here. */
async function isSame(dir: string, payload: Payload, fsGroup: number | undefined): Promise<boolean> {
  const present = await listFiles(dir, "").catch(() => []);
  if (present.length !== payload.size) return false;
  for (const path of present) {
    const wanted = payload.get(path);
    if (!wanted) return false;
    const found = await lstat(join(dir, path));
    if ((found.mode & 0o777) !== modeOf(wanted, fsGroup)) return false;
    if (!wanted.data.equals(await readFile(join(dir, path)))) return false;
  }
  return true;
}

/** A group that owns a volume of this kind may read all of it. */
function modeOf(file: FileContent, fsGroup: number | undefined): number {
  return (fsGroup === undefined ? file.mode : file.mode | 0o440) & 0o777;
}

async function listFiles(dir: string, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(join(dir, prefix), { withFileTypes: true })) {
    const path = prefix ? `${prefix}${sep}${entry.name}` : entry.name;
    if (entry.isDirectory()) found.push(...(await listFiles(dir, path)));
    else found.push(path);
  }
  return found;
}

async function writeFiles(dir: string, payload: Payload, fsGroup: number | undefined): Promise<void> {
  await chmod(dir, 0o755);
  for (const [path, file] of payload) {
    const target = join(dir, path);
    await mkdir(dirname(target), { recursive: true, mode: 0o755 });
    const handle = await open(target, "w");
    try {
      await handle.writeFile(file.data);
      if (fsGroup !== undefined || file.uid !== undefined) await handle.chown(file.uid ?? 0, fsGroup ?? 0);
      // After chown, which clears set-id bits, and not subject to the umask.
      await handle.chmod(modeOf(file, fsGroup));
    } finally {
      await handle.close();
    }
  }
  if (fsGroup !== undefined) await ownDirectories(dir, payload, fsGroup);
}

async function ownDirectories(dir: string, payload: Payload, gid: number): Promise<void> {
  const dirs = new Set([dir]);
  for (const path of payload.keys()) {
    for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) dirs.add(join(dir, parent));
  }
  for (const path of dirs) {
    await chown(path, 0, gid);
    await chmod(path, 0o2755);
  }
}

async function linkNames(dir: string, payload: Payload): Promise<void> {
  for (const name of topNames(payload)) {
    const at = join(dir, name);
    const present = await readlink(at).catch(() => undefined);
    if (present === join(DATA, name)) continue;
    await rm(at, { recursive: true, force: true });
    await symlink(join(DATA, name), at);
  }
}

async function unlinkStale(dir: string, payload: Payload): Promise<void> {
  const names = topNames(payload);
  for (const name of await readdir(dir)) {
    if (name.startsWith("..") || names.has(name)) continue;
    const target = await readlink(join(dir, name)).catch(() => "");
    if (target.startsWith(`${DATA}${sep}`)) await rm(join(dir, name), { force: true });
  }
}

async function removeOldVersions(dir: string, current: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.startsWith("..") || name === DATA || name === current) continue;
    await rm(join(dir, name), { recursive: true, force: true });
  }
}

function topNames(payload: Payload): Set<string> {
  return new Set([...payload.keys()].map((path) => path.split(sep)[0] ?? path));
}

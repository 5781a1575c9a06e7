// subPath mounts that cannot be led out of their volume by a symlink, not even by one put there in a race.

import type { FileHandle } from "node:fs/promises";
import { chmod, constants, mkdir, open, realpath, stat, writeFile } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { bindMount, isMounted } from "./mounts.ts";

// Not among Node's constants: a handle on the place itself, usable for directories, files, sockets and devices.
const O_PATH = 0o10000000;
const STEP = O_PATH | constants.O_NOFOLLOW;

/** Binds `subPath` of the volume at `volumeDir` to `target`, creating the sub-path as a directory when it is missing. */
export async function bindSubPath(volumeDir: string, subPath: string, target: string): Promise<void> {
  if (await isMounted(target)) return;
  if (subPath.split("/").includes("..") || subPath.startsWith("/")) {
    throw new Error(`subPath ${JSON.stringify(subPath)} must be relative and without ".."`);
  }
  const base = await realpath(volumeDir);
  const inside = await resolveInside(base, subPath);
  await using place = await openInside(base, inside);
  const isDirectory = (await place.stat()).isDirectory();
  await mkdir(isDirectory ? target : dirname(target), { recursive: true, mode: 0o750 });
  if (!isDirectory) await writeFile(target, "", { flag: "a", mode: 0o640 });
  // Through the open handle, so that what is mounted is what was checked.
  await bindMount(`/proc/${process.pid}/fd/${place.fd}`, target);
}

/** The path below `base` that `subPath` resolves to; links may stay inside the volume, never leave it. */
async function resolveInside(base: string, subPath: string): Promise<string> {
  const wanted = join(base, subPath);
  const existing = await deepestExisting(wanted);
  const resolved = join(await realpath(existing), relative(existing, wanted));
  if (resolved !== base && !resolved.startsWith(base + sep)) {
    throw new Error(`subpath ${JSON.stringify(resolved)} not within volume path ${JSON.stringify(base)}`);
  }
  return relative(base, resolved);
}

async function deepestExisting(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    if (at === "/" || (await stat(at).catch(() => undefined))) return at;
  }
}

/**
 * Walks from `base` one name at a time without following links, making missing directories. They get the mode of the volume:
 * whoever may write there may write in its sub-paths.
 */
async function openInside(base: string, path: string): Promise<FileHandle> {
  let here = await open(base, STEP);
  const mode = (await here.stat()).mode & 0o7777;
  let isNew = false;
  for (const name of path.split(sep).filter(Boolean)) {
    const at = `/proc/self/fd/${here.fd}/${name}`;
    try {
      const next = await open(at, STEP).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code !== "ENOENT") throw error;
        await mkdir(at, { mode });
        isNew = true;
        return open(at, STEP);
      });
      if ((await next.stat()).isSymbolicLink()) {
        await next.close();
        throw new Error(`subpath component ${JSON.stringify(name)} became a symlink`);
      }
      await here.close();
      here = next;
    } catch (error) {
      await here.close();
      throw error;
    }
  }
  // The umask narrowed it, and the bits beyond permissions are not mkdir's.
  if (isNew)
    await chmod(`/proc/self/fd/${here.fd}`, mode).catch((error) => here.close().then(() => Promise.reject(error)));
  return here;
}

// Writes the files of a volume so that readers see all of the old or all of the new, through the `..data` symlink.
//
// All of it at once: the files are small and mostly in memory, and a token's volume alone takes some fifty calls, of which
// each would cost more in wake-ups of threads than in work.
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchmodSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
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
export function writeAtomically(
  dir: string,
  payload: Payload,
  options: { stamp: string; fsGroup?: number | undefined },
): boolean {
  for (const path of payload.keys()) checkPath(path);
  const old = linkAt(join(dir, DATA));
  if (old && isSame(join(dir, old), payload, options.fsGroup)) {
    linkNames(dir, payload);
    return false;
  }
  const fresh = mkdtempSync(join(dir, `..${options.stamp}.`));
  writeFiles(fresh, payload, options.fsGroup);
  linkNames(dir, payload);
  const temporary = join(dir, `${DATA}_tmp`);
  rmSync(temporary, { force: true });
  symlinkSync(fresh.slice(dir.length + 1), temporary);
  renameSync(temporary, join(dir, DATA));
  // After the switch: until then readers may still be in the old version.
  unlinkStale(dir, payload);
  removeOldVersions(dir, fresh.slice(dir.length + 1));
  return true;
}

function checkPath(path: string): void {
  const parts = path.split(sep);
  if (path === "" || path.startsWith(sep) || parts.includes("..") || parts[0]?.startsWith("..")) {
    throw new Error(`invalid path ${JSON.stringify(path)} in a volume`);
  }
}

/** Whether the version on disk holds these bytes with these modes; links are not judged here. */
function isSame(dir: string, payload: Payload, fsGroup: number | undefined): boolean {
  if (!existsSync(dir)) return false;
  const present = listFiles(dir, "");
  if (present.length !== payload.size) return false;
  for (const path of present) {
    const wanted = payload.get(path);
    if (!wanted) return false;
    const found = lstatSync(join(dir, path));
    if ((found.mode & 0o777) !== modeOf(wanted, fsGroup)) return false;
    if (!wanted.data.equals(readFileSync(join(dir, path)))) return false;
  }
  return true;
}

/** A group that owns a volume of this kind may read all of it. */
function modeOf(file: FileContent, fsGroup: number | undefined): number {
  return (fsGroup === undefined ? file.mode : file.mode | 0o440) & 0o777;
}

function listFiles(dir: string, prefix: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(join(dir, prefix), { withFileTypes: true })) {
    const path = prefix ? `${prefix}${sep}${entry.name}` : entry.name;
    if (entry.isDirectory()) found.push(...listFiles(dir, path));
    else found.push(path);
  }
  return found;
}

function writeFiles(dir: string, payload: Payload, fsGroup: number | undefined): void {
  chmodSync(dir, 0o755);
  for (const [path, file] of payload) {
    const target = join(dir, path);
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    const fd = openSync(target, "w");
    try {
      writeFileSync(fd, file.data);
      if (fsGroup !== undefined || file.uid !== undefined) fchownSync(fd, file.uid ?? 0, fsGroup ?? 0);
      // After chown, which clears set-id bits, and not subject to the umask.
      fchmodSync(fd, modeOf(file, fsGroup));
    } finally {
      closeSync(fd);
    }
  }
  if (fsGroup !== undefined) ownDirectories(dir, payload, fsGroup);
}

function ownDirectories(dir: string, payload: Payload, gid: number): void {
  const dirs = new Set([dir]);
  for (const path of payload.keys()) {
    for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) dirs.add(join(dir, parent));
  }
  for (const path of dirs) {
    chownSync(path, 0, gid);
    chmodSync(path, 0o2755);
  }
}

function linkNames(dir: string, payload: Payload): void {
  for (const name of topNames(payload)) {
    const at = join(dir, name);
    if (linkAt(at) === join(DATA, name)) continue;
    rmSync(at, { recursive: true, force: true });
    symlinkSync(join(DATA, name), at);
  }
}

function unlinkStale(dir: string, payload: Payload): void {
  const names = topNames(payload);
  for (const name of readdirSync(dir)) {
    if (name.startsWith("..") || names.has(name)) continue;
    if (linkAt(join(dir, name))?.startsWith(`${DATA}${sep}`)) rmSync(join(dir, name), { force: true });
  }
}

function removeOldVersions(dir: string, current: string): void {
  for (const name of readdirSync(dir)) {
    if (!name.startsWith("..") || name === DATA || name === current) continue;
    rmSync(join(dir, name), { recursive: true, force: true });
  }
}

/** Where the link at `path` leads; undefined where there is none. */
function linkAt(path: string): string | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ? readlinkSync(path) : undefined;
}

function topNames(payload: Payload): Set<string> {
  return new Set([...payload.keys()].map((path) => path.split(sep)[0] ?? path));
}

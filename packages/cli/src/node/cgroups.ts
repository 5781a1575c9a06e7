// The cluster's cgroups, on v1, v2 and both at once: made for each program, and removed with whatever is still inside.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** One mount of cgroups. A machine has either a single one of v2, several of v1, or both kinds. */
export interface Hierarchy {
  readonly mountPoint: string;
  readonly version: 1 | 2;
  /** v1 only, such as `cpuset`; `name=systemd` for a named one. */
  readonly controllers: readonly string[];
}

// A process in these would only add rules that nobody asked for, and an empty cpuset admits no process.
const LEFT_ALONE = new Set([
  "cpuset",
  "devices",
  "freezer",
  "perf_event",
  "net_cls",
  "net_prio",
  "hugetlb",
  "rdma",
  "misc",
]);

/** The mounted hierarchies, read from a mountinfo text. */
export function parseHierarchies(mountInfo: string): Hierarchy[] {
  return mountInfo.split("\n").flatMap((line): Hierarchy[] => {
    const [left = "", right = ""] = line.split(" - ");
    const mountPoint = left.split(" ")[4] ?? "";
    const [type, , options = ""] = right.split(" ");
    if (type === "cgroup2") return [{ mountPoint, version: 2, controllers: [] }];
    if (type !== "cgroup") return [];
    const flags = options.split(",").filter((option) => option !== "rw" && option !== "ro");
    return [{ mountPoint, version: 1, controllers: flags }];
  });
}

/** As this process sees them now. */
export function cgroupHierarchies(): Hierarchy[] {
  return parseHierarchies(readFileSync("/proc/self/mountinfo", "utf8"));
}

/** Makes `path` (such as `/skiff-1a2b3c/system/etcd`) where a program is to live; returns the files that take its pid. */
export function makeProgramCgroup(path: string): string[] {
  return cgroupHierarchies()
    .filter((hierarchy) => !hierarchy.controllers.some((name) => LEFT_ALONE.has(name)))
    .map((hierarchy) => join(makeBelow(hierarchy, path), "cgroup.procs"));
}

/** Makes the parent of a node's pods in every hierarchy, with cpus and memory nodes as in its own parent. */
export function makePodsParent(path: string): void {
  for (const hierarchy of cgroupHierarchies()) makeBelow(hierarchy, path);
}

/** Every process in the cgroups at and below `path`. */
export function pidsBelow(path: string): Set<number> {
  const pids = new Set<number>();
  for (const folder of allFolders(path)) {
    for (const line of readLines(join(folder, "cgroup.procs"))) pids.add(Number(line));
  }
  return pids;
}

/** Removes the cgroups at and below `path`, deepest first; returns those that would not go. */
export function removeCgroups(path: string): string[] {
  return allFolders(path).filter((folder) => {
    try {
      rmdirSync(folder);
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code !== "ENOENT";
    }
  });
}

function allFolders(path: string): string[] {
  return cgroupHierarchies().flatMap((hierarchy) => foldersBelow(join(hierarchy.mountPoint, path)));
}

function foldersBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const inner = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...inner.flatMap((entry) => foldersBelow(join(folder, entry.name))), folder];
}

/** Level by level, since each must be prepared before its child is made. */
function makeBelow(hierarchy: Hierarchy, path: string): string {
  let folder = hierarchy.mountPoint;
  for (const part of path.split("/").filter(Boolean)) {
    if (hierarchy.version === 2) enableControllers(folder);
    const parent = folder;
    folder = join(folder, part);
    mkdirSync(folder, { recursive: true });
    if (hierarchy.controllers.includes("cpuset")) copyCpuset(parent, folder);
  }
  return folder;
}

// v2 hands a controller to children only once the parent lists it.
function enableControllers(folder: string): void {
  const [available = ""] = readLines(join(folder, "cgroup.controllers"));
  for (const name of available.split(" ").filter(Boolean)) {
    try {
      writeFileSync(join(folder, "cgroup.subtree_control"), `+${name}`);
    } catch {
      // A controller that this parent has not got stays off, and a pod that needs it is told by the runtime.
    }
  }
}

/** A version-1 cpuset is empty when it is made, and admits no process until it has processors and memory. */
function copyCpuset(parent: string, folder: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    if (readLines(join(folder, file)).length > 0) continue;
    const [value] = readLines(join(parent, file));
    if (value) writeFileSync(join(folder, file), value);
  }
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n").filter(Boolean);
  } catch {
    return [];
  }
}

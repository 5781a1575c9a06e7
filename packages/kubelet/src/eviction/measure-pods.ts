// Measures what pods use of memory, local disk and processes, for evictions.
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@skiff/api/types.ts";
import type { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { PodCgroups } from "../cgroups/pod-cgroups.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { ContainerStats } from "../cri/types.ts";
import type { PodPaths } from "../pod-paths.ts";
import { LABEL } from "../runtime/labels.ts";
import { parseMemoryStat } from "../server/stats/kernel-files.ts";
import type { ContainerFigures, PodFigures } from "./rank-pods.ts";

export interface MeasureDeps {
  readonly cri: Pick<CriClient, "listContainerStats">;
  readonly cgroups: Pick<CgroupFs, "read" | "isUnified" | "processCount">;
  readonly podCgroups: Pick<PodCgroups, "path">;
  readonly paths: PodPaths;
}

/** What a pod uses, with its emptyDirs one by one for their own limits. */
export interface Measured extends PodFigures {
  /** Bytes by name of each emptyDir, those in memory too. */
  readonly emptyDirs: ReadonlyMap<string, number>;
}

/** Costly, as it walks the folders of the pods: ask only when something is short or a pod has a limit. */
export async function measurePods(pods: readonly Readonly<Pod>[], deps: MeasureDeps): Promise<Measured[]> {
  if (pods.length === 0) return [];
  const stats = await deps.cri.listContainerStats();
  const byPod = Map.groupBy(stats, (one) => one.attributes?.labels[LABEL.podUid] ?? "");
  const measured: Measured[] = [];
  // One after another: this walks folders, and must not take the disk from the pods.
  for (const pod of pods) measured.push(await measure(pod, byPod.get(pod.metadata.uid ?? "") ?? [], deps));
  return measured;
}

async function measure(pod: Readonly<Pod>, stats: readonly ContainerStats[], deps: MeasureDeps): Promise<Measured> {
  const { cgroups, podCgroups, paths } = deps;
  const path = podCgroups.path(pod);
  const usage = Number(
    (await cgroups.read("memory", path, cgroups.isUnified ? "memory.current" : "memory.usage_in_bytes")) ?? 0,
  );
  const memoryStat = (await cgroups.read("memory", path, "memory.stat")) ?? "";
  const containers: ContainerFigures[] = [];
  for (const one of stats) containers.push(await containerFigures(one, paths.podLogs(pod)));
  const emptyDirs = new Map<string, number>();
  let diskBytes = containers.reduce((sum, container) => sum + container.diskBytes, 0);
  let inodes = containers.reduce((sum, container) => sum + container.inodes, 0);
  for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
    if (!emptyDir) continue;
    const folder = await folderSize(paths.volume(pod.metadata.uid ?? "", "kubernetes.io~empty-dir", name));
    emptyDirs.set(name, folder.bytes);
    if (emptyDir.medium === "Memory") continue;
    diskBytes += folder.bytes;
    inodes += folder.inodes;
  }
  const memoryBytes = parseMemoryStat(usage, memoryStat).workingSetBytes;
  return { pod, memoryBytes, diskBytes, inodes, processes: await cgroups.processCount(path), containers, emptyDirs };
}

async function containerFigures(
  { attributes, memory, writableLayer }: ContainerStats,
  logDir: string,
): Promise<ContainerFigures> {
  const name = attributes?.labels[LABEL.containerName] ?? "";
  const logs = await folderSize(join(logDir, name));
  return {
    name,
    memoryBytes: Number(memory?.workingSetBytes?.value ?? 0),
    diskBytes: Number(writableLayer?.usedBytes?.value ?? 0) + logs.bytes,
    inodes: Number(writableLayer?.inodesUsed?.value ?? 0) + logs.inodes,
  };
}

/** What a folder takes on its file system with all below; mounts in it are not followed, hard links count once. */
export async function folderSize(path: string): Promise<{ bytes: number; inodes: number }> {
  const root = await lstat(path).catch(() => undefined);
  if (!root) return { bytes: 0, inodes: 0 };
  // Blocks, not lengths: a sparse file takes only what was written of it.
  const total = { bytes: root.blocks * 512, inodes: 1 };
  const seen = new Set<number>();
  const folders = [path];
  for (let folder = folders.pop(); folder; folder = folders.pop()) {
    for (const name of await readdir(folder).catch(() => [])) {
      const at = join(folder, name);
      // It may be gone by now.
      const stats = await lstat(at).catch(() => undefined);
      if (!stats || stats.dev !== root.dev || (stats.nlink > 1 && !stats.isDirectory() && seen.has(stats.ino)))
        continue;
      seen.add(stats.ino);
      total.bytes += stats.blocks * 512;
      total.inodes++;
      if (stats.isDirectory()) folders.push(at);
    }
  }
  return total;
}

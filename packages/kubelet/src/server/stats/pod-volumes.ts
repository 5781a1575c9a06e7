// What pods' volumes hold, for /stats/summary: measured now and then, since it walks folders.
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { folderSize } from "../../eviction/measure-pods.ts";
import type { FsStats } from "./fs-stats.ts";
import { fsStats } from "./fs-stats.ts";

interface VolumeStats extends FsStats {
  readonly name: string;
}

/** Upstream's default of volumeStatsAggPeriod. */
const FRESH_MS = 60_000;

/** Volumes that are folders on the node, by their field in the pod's spec, and the plugin's name in their path. */
const PLUGIN_OF = {
  emptyDir: "kubernetes.io~empty-dir",
  configMap: "kubernetes.io~configmap",
  secret: "kubernetes.io~secret",
  projected: "kubernetes.io~projected",
  downwardAPI: "kubernetes.io~downward-api",
} as const;

export interface PodVolumesDeps {
  readonly clock: Pick<Clock, "monotonic">;
  /** Of volumes that are not folders of the kubelet's own. */
  readonly claimStats?: (pod: Readonly<Pod>, time: string) => Promise<readonly object[]>;
}

/** One per port: each remembers its own last measurements. */
export class PodVolumes {
  private readonly rootDir: string;
  private readonly deps: PodVolumesDeps;
  private readonly freshMs: number;
  private readonly known = new Map<string, { readonly at: number; readonly stats: readonly object[] }>();

  /** Negative turns measuring off. */
  constructor(rootDir: string, deps: PodVolumesDeps, freshMs = FRESH_MS) {
    this.rootDir = rootDir;
    this.freshMs = freshMs;
    this.deps = deps;
  }

  /** As old as they may be. Those behind claims come first. */
  async stats(pod: Readonly<Pod>, time: string): Promise<readonly object[]> {
    if (this.freshMs < 0) return [];
    const uid = pod.metadata.uid ?? "";
    const known = this.known.get(uid);
    const now = this.deps.clock.monotonic();
    if (known && now - known.at < this.freshMs) return known.stats;
    const stats: object[] = [...((await this.deps.claimStats?.(pod, time)) ?? [])];
    for (const { name, plugin } of measuredVolumes(pod)) {
      const places = [join("pods", uid, "volumes"), join("memory-volumes", uid)];
      for (const place of places) {
        const one = await volumeStats(join(this.rootDir, place, plugin, name), name, time).catch(() => undefined);
        if (one) stats.push(one);
      }
    }
    this.known.set(uid, { at: now, stats });
    return stats;
  }

  /** Forgets all but these. */
  retain(uids: ReadonlySet<string>): void {
    for (const uid of this.known.keys()) if (!uids.has(uid)) this.known.delete(uid);
  }
}

function measuredVolumes(pod: Readonly<Pod>): { name: string; plugin: string }[] {
  return (pod.spec?.volumes ?? []).flatMap((volume) => {
    const kind = (Object.keys(PLUGIN_OF) as (keyof typeof PLUGIN_OF)[]).find((candidate) => volume[candidate]);
    return kind ? [{ name: volume.name, plugin: PLUGIN_OF[kind] }] : [];
  });
}

async function volumeStats(path: string, name: string, time: string): Promise<VolumeStats> {
  // Fails for a folder that is not there, so that no volume is told of another's file system.
  await statfs(path);
  const size = await folderSize(path);
  return { ...(await fsStats(path, time)), name, usedBytes: size.bytes, inodesUsed: size.inodes };
}

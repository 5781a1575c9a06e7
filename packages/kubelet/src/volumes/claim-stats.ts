// Sizes of volumes behind claims and drivers for /stats/summary: the driver's own figures, or the file system's.
import type { Pod } from "@skiff/api/types.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { fsStats, remoteFsStats } from "../server/stats/fs-stats.ts";
import type { DriverVolumeStats } from "./csi/csi-client.ts";
import type { CsiVolume } from "./csi/csi-source.ts";
import type { Csi } from "./csi/index.ts";
import type { ReadyVolume } from "./persistent-volumes.ts";

export interface ClaimStatsDeps {
  csi(): Promise<Pick<Csi, "drivers" | "paths">>;
  readonly log: Logger;
}

/** A volume that cannot be measured is left out. */
export async function claimStats(
  pod: Readonly<Pod>,
  volumes: ReadonlyMap<string, ReadyVolume>,
  deps: ClaimStatsDeps,
  time: string,
): Promise<object[]> {
  const found: object[] = [];
  for (const [name, { claim, csi, path, isRemote }] of volumes) {
    try {
      const measure = isRemote ? remoteFsStats : fsStats;
      const figures = csi ? await driverFigures(pod, csi, deps, time) : await measure(path, time);
      if (figures) found.push({ ...figures, name, ...(claim ? { pvcRef: claim } : {}) });
    } catch (error) {
      deps.log.debug({ err: error, volume: name }, "volume could not be measured");
    }
  }
  return found;
}

async function driverFigures(
  pod: Readonly<Pod>,
  volume: CsiVolume,
  deps: ClaimStatsDeps,
  time: string,
): Promise<object | undefined> {
  const { drivers, paths } = await deps.csi();
  const client = drivers.client(volume.driver);
  if (!(await client.can("GET_VOLUME_STATS"))) return undefined;
  const { target, staging } = paths.place(pod.metadata.uid ?? "", volume);
  const staged = volume.lifecycle === "Persistent" && (await client.can("STAGE_UNSTAGE_VOLUME"));
  const stats = await client.stats(volume.handle, target, staged ? staging : "");
  return figuresOf(stats, await client.can("VOLUME_CONDITION"), time);
}

/** In the words of /stats/summary. */
export function figuresOf({ usage, volumeCondition }: DriverVolumeStats, tellsHealth: boolean, time: string): object {
  const bytes = usage.find(({ unit }) => unit === "BYTES");
  const inodes = usage.find(({ unit }) => unit === "INODES");
  return {
    time,
    ...(bytes
      ? {
          availableBytes: Number(bytes.available),
          capacityBytes: Number(bytes.total),
          usedBytes: Number(bytes.used),
        }
      : {}),
    ...(inodes
      ? { inodesFree: Number(inodes.available), inodes: Number(inodes.total), inodesUsed: Number(inodes.used) }
      : {}),
    ...(tellsHealth && volumeCondition ? { volumeHealthStats: { abnormal: volumeCondition.abnormal } } : {}),
  };
}

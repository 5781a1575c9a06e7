// Which volumes of a pod its containers use, and how: one that none uses is never set up.
import type { Pod } from "@skiff/api/types.ts";

export interface VolumeUse {
  /** Names in volumeMounts. */
  readonly mounted: ReadonlySet<string>;
  /** Names in volumeDevices. */
  readonly mapped: ReadonlySet<string>;
}

export function usedVolumes({ spec }: Pod): VolumeUse {
  const containers = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  return {
    mounted: new Set(containers.flatMap(({ volumeMounts = [] }) => volumeMounts.map(({ name }) => name))),
    mapped: new Set(containers.flatMap(({ volumeDevices = [] }) => volumeDevices.map(({ name }) => name))),
  };
}

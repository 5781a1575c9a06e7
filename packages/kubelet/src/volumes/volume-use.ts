// Which volumes of a pod its containers use, and how: one that none uses is never set up.
import type { Pod } from "@skiff/api/types.ts";

/** A claim may be used as folders or as a device, and the two are prepared differently. */
export interface VolumeUse {
  /** Names in volumeMounts. */
  readonly mounted: ReadonlySet<string>;
  /** Names in volumeDevices. */
  readonly mapped: ReadonlySet<string>;
}

/** By containers of every kind. */
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

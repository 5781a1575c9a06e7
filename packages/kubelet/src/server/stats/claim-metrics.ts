// `kubelet_volume_stats_*`: what is left on the volumes behind claims, for the alerts that everybody has on it.
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { PodVolumes } from "./pod-volumes.ts";

export interface ClaimMetricsDeps {
  readonly pods: { list(): readonly Readonly<Pod>[] };
  readonly volumes: Pick<PodVolumes, "stats">;
  readonly clock: Pick<Clock, "now">;
}

/** One volume as the summary has it. */
interface ClaimFigures {
  readonly pvcRef?: { readonly name: string; readonly namespace: string };
  readonly capacityBytes?: number;
  readonly availableBytes?: number;
  readonly usedBytes?: number;
  readonly inodes?: number;
  readonly inodesFree?: number;
  readonly inodesUsed?: number;
  readonly volumeHealthStats?: { readonly abnormal: boolean };
}

const GAUGES: readonly { name: string; help: string; of: (figures: ClaimFigures) => number | undefined }[] = [
  { name: "capacity_bytes", help: "Capacity in bytes of the volume", of: (figures) => figures.capacityBytes },
  { name: "available_bytes", help: "Number of available bytes in the volume", of: (figures) => figures.availableBytes },
  { name: "used_bytes", help: "Number of used bytes in the volume", of: (figures) => figures.usedBytes },
  { name: "inodes", help: "Maximum number of inodes in the volume", of: (figures) => figures.inodes },
  { name: "inodes_free", help: "Number of free inodes in the volume", of: (figures) => figures.inodesFree },
  { name: "inodes_used", help: "Number of used inodes in the volume", of: (figures) => figures.inodesUsed },
  {
    name: "health_status_abnormal",
    help: "Abnormal volume health status: 1 for a volume that its driver calls unhealthy, 0 for one that is healthy",
    of: ({ volumeHealthStats }) => volumeHealthStats && Number(volumeHealthStats.abnormal),
  },
];

/** Series come and go with the claims, under their namespace and name, whichever pod uses them. */
export class ClaimMetrics {
  private readonly deps: ClaimMetricsDeps;
  /** Not the program's own, for every port renders its own. */
  private readonly registry = new MetricsRegistry();
  private latest: readonly ClaimFigures[] = [];

  constructor(deps: ClaimMetricsDeps) {
    this.deps = deps;
    for (const { name, help, of } of GAUGES) {
      this.registry.observedGauge(`kubelet_volume_stats_${name}`, help, () => this.series(of));
    }
  }

  /** Measured once a minute, as for the summary; without claims it costs nothing. */
  async render(): Promise<string> {
    await this.refresh();
    return this.latest.length > 0 ? this.registry.render() : "";
  }

  private async refresh(): Promise<void> {
    const { pods, volumes, clock } = this.deps;
    const time = formatTime(clock.now());
    const byClaim = new Map<string, ClaimFigures>();
    for (const pod of pods.list().filter(hasClaim)) {
      for (const figures of (await volumes.stats(pod, time)) as readonly ClaimFigures[]) {
        // Pods may share a claim, but it is one volume.
        const { pvcRef } = figures;
        if (pvcRef) byClaim.set(`${pvcRef.namespace}/${pvcRef.name}`, figures);
      }
    }
    this.latest = [...byClaim.values()];
  }

  private series(of: (figures: ClaimFigures) => number | undefined) {
    return this.latest.flatMap((figures) => {
      const value = of(figures);
      const { namespace = "", name = "" } = figures.pvcRef ?? {};
      return value === undefined ? [] : [{ labels: { namespace, persistentvolumeclaim: name }, value }];
    });
  }
}

function hasClaim({ spec }: Readonly<Pod>): boolean {
  return (spec?.volumes ?? []).some(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim ?? ephemeral);
}

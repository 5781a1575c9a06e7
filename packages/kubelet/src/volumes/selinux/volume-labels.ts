// Settles with which SELinux label CSI volumes are mounted, and counts what upstream counts of it.
import type { CSIDriverSpec, Pod } from "@skiff/api/types.ts";
import type { Gauge, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { CsiVolume } from "../csi/csi-source.ts";
import { uniqueName } from "../csi/csi-source.ts";
import { notProcessed } from "../volume-error.ts";
import { accessModeLabel, isLabelledByMount, type LabelledVolume, mountLabel } from "./mount-label.ts";
import type { SelinuxHost } from "./selinux-host.ts";

/** One mount of a volume elsewhere on the node; "" where it has no label of its own. */
export interface OtherMounts {
  /** For other pods. */
  readonly labels: readonly string[];
  /** Where the driver staged it; undefined where it did not. */
  readonly staged: string | undefined;
}

const POD = "Tries to start a pod whose containers want one volume under different SELinux labels";
const VOLUME = "Tries to start a pod with a volume that is mounted under another SELinux label";

export class VolumeLabels {
  private readonly host: SelinuxHost | undefined;
  private readonly podErrors: Gauge;
  private readonly podWarnings: Gauge;
  private readonly volumeErrors: Gauge;
  private readonly admitted: Gauge;

  constructor(host: SelinuxHost | undefined, metrics: MetricsRegistry) {
    this.host = host;
    const gauge = (name: string, help: string) => metrics.gauge(`volume_manager_selinux_${name}_total`, help);
    this.podErrors = gauge("pod_context_mismatch_errors", `${POD}; such a pod is tried again and counts each time.`);
    this.podWarnings = gauge(
      "pod_context_mismatch_warnings",
      `${POD} that the mount does not carry, so that it may start.`,
    );
    this.volumeErrors = gauge(
      "volume_context_mismatch_errors",
      `${VOLUME}; such a pod is tried again and counts each time.`,
    );
    this.admitted = gauge("volumes_admitted", "Volumes that are mounted under the SELinux label of their pod.");
  }

  /** Whether the node has SELinux at all. */
  get isOn(): boolean {
    return this.host !== undefined;
  }

  /** "" for an ordinary mount. Throws upstream's words for containers that cannot share one. */
  labelFor(pod: Pod, name: string, volume: CsiVolume, spec: CSIDriverSpec | undefined): string {
    if (!this.host || volume.isBlock) return "";
    const labelled = { ...facts(volume), isSupported: spec?.seLinuxMount ?? false };
    const { label, problem } = mountLabel(pod, name, labelled, this.host);
    if (!problem) return label;
    const access_mode = accessModeLabel(labelled);
    if (!isLabelledByMount(labelled)) {
      this.podWarnings.inc({ access_mode });
      return "";
    }
    this.podErrors.inc({ access_mode });
    throw notProcessed(name, new Error(problem));
  }

  /** Throws upstream's words where the volume has another label on this node: one mount has one. */
  admit(name: string, volume: CsiVolume, label: string, others: OtherMounts): void {
    const series = { volume_plugin: `kubernetes.io/csi:${volume.driver}`, access_mode: accessModeLabel(facts(volume)) };
    const other = others.labels.find((one) => one !== label);
    if (other !== undefined && isLabelledByMount(facts(volume))) {
      this.volumeErrors.inc(series);
      const both = `${JSON.stringify(other)} and ${JSON.stringify(label)}`;
      throw notProcessed(name, new Error(`conflicting SELinux labels of volume ${volume.specName}: ${both}`));
    }
    if (others.staged !== undefined && others.staged !== label) {
      const what = JSON.stringify(uniqueName(volume));
      const why = "because it is already mounted to a different pod with a different SELinux label";
      throw notProcessed(name, new Error(`waiting for unmount of volume ${what}, ${why}`));
    }
    if (label) this.admitted.inc(series);
  }
}

function facts({ lifecycle, accessModes }: CsiVolume): LabelledVolume {
  return { isPersistent: lifecycle === "Persistent", accessModes, isSupported: true };
}

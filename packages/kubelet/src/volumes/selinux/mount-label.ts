// With which SELinux label a volume is mounted, instead of giving it to each of its files. Pure.
import type { Pod, SELinuxOptions } from "@skiff/api/types.ts";
import type { SelinuxHost } from "./selinux-host.ts";

/** What of a volume decides. */
export interface LabelledVolume {
  readonly isPersistent: boolean;
  readonly accessModes: readonly string[];
  /** The driver can mount it with `-o context`. */
  readonly isSupported: boolean;
}

/** `label` is "" for an ordinary mount. A problem is an error where the volume would be mounted so, else worth a count. */
export interface LabelVerdict {
  readonly label: string;
  readonly problem?: string;
}

/** Upstream's rule since SELinuxMountReadWriteOncePod: volumes of one pod alone, as others may share theirs on purpose. */
export function isLabelledByMount({ isPersistent, accessModes }: LabelledVolume): boolean {
  return isPersistent && accessModes.length === 1 && accessModes[0] === "ReadWriteOncePod";
}

export function mountLabel(pod: Pod, name: string, volume: LabelledVolume, host: SelinuxHost): LabelVerdict {
  const labels = [...new Set(volumeContexts(pod, name).map((options) => host.fileLabel(options)))];
  if (!volume.isSupported) return { label: "" };
  if (labels.length > 1) return { label: "", problem: `multiple SELinux labels found: ${labels.join(",")}` };
  // A pod may ask for each file to be labelled, so that the volume can be shared with other labels.
  const isRecursive = pod.spec?.securityContext?.seLinuxChangePolicy === "Recursive";
  return { label: isRecursive || !isLabelledByMount(volume) ? "" : (labels[0] ?? "") };
}

/** Of the containers that mount the volume and have options at all, their own or the pod's. */
function volumeContexts({ spec }: Pod, name: string): SELinuxOptions[] {
  const containers = [
    ...(spec?.initContainers ?? []),
    ...(spec?.containers ?? []),
    ...(spec?.ephemeralContainers ?? []),
  ];
  const users = containers.filter(({ volumeMounts = [] }) => volumeMounts.some((mount) => mount.name === name));
  const shared = spec?.securityContext?.seLinuxOptions;
  return users.flatMap(({ securityContext }) => securityContext?.seLinuxOptions ?? shared ?? []);
}

/** For drivers and for mount(8), which split options at commas outside of quotes. */
export function contextOption(label: string): string {
  return `context="${label}"`;
}

/** As upstream's metrics call it. */
export function accessModeLabel({ isPersistent, accessModes }: LabelledVolume): string {
  if (!isPersistent) return "inline";
  const [found] = Object.entries(SHORT_MODES).find(([mode]) => accessModes.includes(mode)) ?? [""];
  return SHORT_MODES[found] ?? "";
}

/** The widest first. */
const SHORT_MODES: Readonly<Record<string, string>> = {
  ReadWriteMany: "RWX",
  ReadWriteOnce: "RWO",
  ReadOnlyMany: "ROX",
  ReadWriteOncePod: "RWOP",
};

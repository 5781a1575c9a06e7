// How a volume is described to its driver, as the driver's abilities and its CSIDriver object have it. Pure.
import type { CSIDriverSpec, Pod } from "@skiff/api/types.ts";
import { contextOption } from "../selinux/mount-label.ts";
import type { Strings, VolumeCapability } from "./csi-client.ts";
import type { CsiVolume } from "./csi-source.ts";

/** `mountGroup` is set only for drivers that apply the pod's group themselves, `label` where SELinux asks for one mount of its own. */
export function volumeCapability(
  volume: CsiVolume,
  options: {
    readonly singleNodeMultiWriter: boolean;
    readonly mountGroup: number | undefined;
    readonly label?: string;
  },
): VolumeCapability {
  const accessMode = { mode: accessModeOf(volume.accessModes[0] ?? "ReadWriteOnce", options.singleNodeMultiWriter) };
  if (volume.isBlock) return { block: {}, accessMode };
  // Left out rather than empty: older drivers do not know the field.
  const group = options.mountGroup === undefined ? {} : { volumeMountGroup: String(options.mountGroup) };
  const mountFlags = options.label ? [...volume.mountOptions, contextOption(options.label)] : volume.mountOptions;
  return { mount: { fsType: volume.fsType, mountFlags, ...group }, accessMode };
}

/** Older drivers know one mode for both what one node and what one pod may write. */
function accessModeOf(mode: string, singleNodeMultiWriter: boolean): string {
  switch (mode) {
    case "ReadWriteOnce":
      return singleNodeMultiWriter ? "SINGLE_NODE_MULTI_WRITER" : "SINGLE_NODE_WRITER";
    case "ReadWriteOncePod":
      return singleNodeMultiWriter ? "SINGLE_NODE_SINGLE_WRITER" : "SINGLE_NODE_WRITER";
    case "ReadOnlyMany":
      return "MULTI_NODE_READER_ONLY";
    case "ReadWriteMany":
      return "MULTI_NODE_MULTI_WRITER";
    default:
      return "UNKNOWN";
  }
}

/** Whether the kubelet gives the volume's files to the pod's group. */
export function appliesFsGroup(
  volume: CsiVolume,
  fsGroup: number | undefined,
  policy: string = "ReadWriteOnceWithFSType",
): boolean {
  if (fsGroup === undefined || policy === "None" || volume.readOnly || volume.isBlock) return false;
  // The default policy guesses: one node, a file system that is named, and so probably one with owners.
  if (policy === "File") return true;
  if (volume.fsType === "") return false;
  return volume.accessModes.some((mode) => mode === "ReadWriteOnce" || mode === "ReadWriteOncePod");
}

/** Throws upstream's words where the driver does not do volumes of this life. */
export function checkLifecycle({ driver, lifecycle }: CsiVolume, spec: CSIDriverSpec | undefined): void {
  const fail = (why: string) => new Error(`volume mode "${lifecycle}" not supported by driver ${driver} (${why})`);
  if (!spec) {
    if (lifecycle === "Ephemeral") throw fail("no CSIDriver object");
    return;
  }
  const modes = spec.volumeLifecycleModes ?? ["Persistent"];
  if (modes.includes(lifecycle)) return;
  throw fail(`only supports [${modes.map((mode) => `"${mode}"`).join(" ")}]`);
}

/** What a driver that asks for it learns of the pod. */
export function podInfo(pod: Pod, volume: CsiVolume, spec: CSIDriverSpec | undefined): Strings {
  if (!spec?.podInfoOnMount) return {};
  return {
    "csi.storage.k8s.io/pod.name": pod.metadata.name,
    "csi.storage.k8s.io/pod.namespace": pod.metadata.namespace ?? "",
    "csi.storage.k8s.io/pod.uid": pod.metadata.uid ?? "",
    "csi.storage.k8s.io/serviceAccount.name": pod.spec?.serviceAccountName ?? "",
    "csi.storage.k8s.io/ephemeral": String(volume.lifecycle === "Ephemeral"),
  };
}

/** Where tokens for the driver are found, in the volume context or among the secrets. */
export const TOKENS_KEY = "csi.storage.k8s.io/serviceAccount.tokens";

// What a CSI volume is, whether it stands behind a claim or inline in a pod.
import { createHash } from "node:crypto";
import type { PersistentVolume, Pod, Volume } from "@skiff/api/types.ts";

/** References of a PersistentVolume name a namespace; those of an inline volume mean the pod's. */
export interface SecretRef {
  readonly namespace: string;
  readonly name: string;
}

/** `handle` is the driver's own name for it. `lifecycle` Ephemeral means inline: made with the pod and gone with it. */
export interface CsiVolume {
  /** The PersistentVolume's name, or that of the volume in the pod. */
  readonly specName: string;
  readonly driver: string;
  readonly handle: string;
  readonly lifecycle: "Persistent" | "Ephemeral";
  readonly isBlock: boolean;
  readonly readOnly: boolean;
  readonly fsType: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly mountOptions: readonly string[];
  readonly accessModes: readonly string[];
  readonly stageSecret: SecretRef | undefined;
  readonly publishSecret: SecretRef | undefined;
  readonly expandSecret: SecretRef | undefined;
}

/** Undefined for a volume of another kind. `readOnly` is what the pod asks of its claim. */
export function persistentCsiVolume(volume: PersistentVolume, readOnly: boolean): CsiVolume | undefined {
  const { csi, mountOptions = [], accessModes = [], volumeMode } = volume.spec ?? {};
  if (!csi) return undefined;
  return {
    specName: volume.metadata.name,
    driver: csi.driver,
    handle: csi.volumeHandle,
    lifecycle: "Persistent",
    isBlock: volumeMode === "Block",
    readOnly,
    fsType: csi.fsType ?? "",
    attributes: csi.volumeAttributes ?? {},
    mountOptions,
    accessModes,
    stageSecret: secretRef(csi.nodeStageSecretRef),
    publishSecret: secretRef(csi.nodePublishSecretRef),
    expandSecret: secretRef(csi.nodeExpandSecretRef),
  };
}

/** Undefined for a volume of another kind. */
export function inlineCsiVolume(pod: Pod, { name, csi }: Volume): CsiVolume | undefined {
  if (!csi) return undefined;
  const secret = csi.nodePublishSecretRef?.name;
  return {
    specName: name,
    driver: csi.driver,
    handle: inlineHandle(pod.metadata.uid ?? "", name),
    lifecycle: "Ephemeral",
    isBlock: false,
    readOnly: csi.readOnly ?? false,
    fsType: csi.fsType ?? "",
    attributes: csi.volumeAttributes ?? {},
    mountOptions: [],
    accessModes: [],
    stageSecret: undefined,
    publishSecret: secret ? { namespace: pod.metadata.namespace ?? "", name: secret } : undefined,
    expandSecret: undefined,
  };
}

/** As upstream makes it, so that a driver knows the volume whichever kubelet asks. */
function inlineHandle(podUid: string, volumeName: string): string {
  return `csi-${createHash("sha256").update(`${podUid}${volumeName}`).digest("hex")}`;
}

function secretRef(
  ref: { name?: string | undefined; namespace?: string | undefined } | undefined,
): SecretRef | undefined {
  return ref?.name ? { namespace: ref.namespace ?? "", name: ref.name } : undefined;
}

/** How node.status and attachers call the volume. */
export function uniqueName({ driver, handle }: Pick<CsiVolume, "driver" | "handle">): string {
  return `kubernetes.io/csi/${driver}^${handle}`;
}

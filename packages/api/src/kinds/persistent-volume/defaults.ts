// What a PersistentVolume gets when its writer says nothing.
import type { PersistentVolume, PersistentVolumeSpec } from "../../../generated/types.ts";

/** Fills a volume in place. */
export function applyVolumeDefaults(volume: PersistentVolume): void {
  volume.spec ??= {};
  defaultVolumeSpec(volume.spec);
  volume.status ??= {};
  volume.status.phase ||= "Pending";
}

/** VolumeAttachments may carry such a spec too. */
export function defaultVolumeSpec(spec: PersistentVolumeSpec): void {
  // What somebody made by hand is not deleted with the claim; provisioned volumes get their class's policy.
  spec.persistentVolumeReclaimPolicy ||= "Retain";
  spec.volumeMode ??= "Filesystem";
  if (spec.hostPath) spec.hostPath.type ??= "";
  if (spec.iscsi) spec.iscsi.iscsiInterface ||= "default";
  if (spec.rbd) {
    spec.rbd.pool ||= "rbd";
    spec.rbd.user ||= "admin";
    spec.rbd.keyring ||= "/etc/ceph/keyring";
  }
  if (spec.scaleIO) {
    spec.scaleIO.storageMode ||= "ThinProvisioned";
    spec.scaleIO.fsType ||= "xfs";
  }
  if (spec.azureDisk) {
    spec.azureDisk.cachingMode ??= "ReadWrite";
    spec.azureDisk.kind ??= "Shared";
    spec.azureDisk.fsType ??= "ext4";
    spec.azureDisk.readOnly ??= false;
  }
}

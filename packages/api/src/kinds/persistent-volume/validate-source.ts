// The storage behind a PersistentVolume.
import type {
  CSIPersistentVolumeSource,
  LocalVolumeSource,
  PersistentVolumeSpec,
  SecretReference,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1123Label, isDns1123Subdomain } from "../../validation/names.ts";
import { type FieldPath, invalidAll, required } from "../../validation/path.ts";
import { validateNoBacksteps } from "../pod/validate-paths.ts";
import { validateHostPath } from "../pod/validate-volumes.ts";
import { validateCsiDriverName } from "../volume-sources/validate-csi-driver-name.ts";
import { isRemoteSource, validateRemoteSource } from "../volume-sources/validate-remote-source.ts";

/** The order in which upstream looks: the first source is checked, every later one is too many. */
const NAMES = [
  ...([
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
  ] as const),
  ...(["cephfs", "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk"] as const),
  ...(["portworxVolume", "azureDisk", "scaleIO", "local", "storageos", "csi"] as const),
] as const satisfies readonly (keyof PersistentVolumeSpec)[];

/** One of the fields of a volume's spec that say where its data is. */
export type VolumeSourceName = (typeof NAMES)[number];

/** The sources that are set, in upstream's order; a valid volume has exactly one. */
export function sourcesOf(spec: Readonly<PersistentVolumeSpec>): VolumeSourceName[] {
  return NAMES.filter((name) => spec[name] !== undefined);
}

/** `volumeName` is "" inside a VolumeAttachment. Sources with nothing to check pass. */
export function validateVolumeSource(
  spec: PersistentVolumeSpec,
  name: VolumeSourceName,
  path: FieldPath,
  volumeName: string,
): FieldError[] {
  const source = spec[name];
  if (isRemoteSource(name) && source) return validateRemoteSource(name, source, path, { persistentVolume: volumeName });
  if (name === "csi" && spec.csi) return validateCsi(spec.csi, path);
  if (name === "hostPath" && spec.hostPath) return validateHostPath(spec.hostPath, path);
  if (name === "local" && spec.local) return validateLocal(spec.local, path.child("path"));
  return [];
}

function validateLocal({ path: folder }: LocalVolumeSource, path: FieldPath): FieldError[] {
  return folder ? validateNoBacksteps(folder, path) : [required(path)];
}

function validateCsi(csi: CSIPersistentVolumeSource, path: FieldPath): FieldError[] {
  const errors = validateCsiDriverName(csi.driver, path.child("driver"));
  if (!csi.volumeHandle) errors.push(required(path.child("volumeHandle")));
  // Each is for one call of the CSI protocol.
  const secrets = [
    "controllerPublishSecretRef",
    "controllerExpandSecretRef",
    "nodePublishSecretRef",
    "nodeExpandSecretRef",
    "nodeStageSecretRef",
  ] as const;
  for (const field of secrets) errors.push(...validateSecret(csi[field], path.child(field)));
  return errors;
}

function validateSecret(secret: SecretReference | undefined, path: FieldPath): FieldError[] {
  if (!secret) return [];
  const errors = secret.name
    ? invalidAll(path.child("name"), secret.name, isDns1123Subdomain(secret.name))
    : [required(path.child("name"))];
  if (!secret.namespace) return [...errors, required(path.child("namespace"))];
  return [...errors, ...invalidAll(path.child("namespace"), secret.namespace, isDns1123Label(secret.namespace))];
}

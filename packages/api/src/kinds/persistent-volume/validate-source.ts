// The storage behind a PersistentVolume.
import type { CSIPersistentVolumeSource, PersistentVolumeSpec, SecretReference } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { isDns1123Label, isDns1123Subdomain } from "../../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, required, tooLong } from "../../validation/path.ts";
import { validateHostPath } from "../pod/validate-volumes.ts";

const REQUIRED = {
  awsElasticBlockStore: ["volumeID"],
  azureDisk: ["diskName", "diskURI"],
  azureFile: ["secretName", "shareName"],
  cephfs: ["monitors"],
  cinder: ["volumeID"],
  csi: [],
  fc: [],
  flexVolume: ["driver"],
  flocker: [],
  gcePersistentDisk: ["pdName"],
  glusterfs: ["endpoints", "path"],
  hostPath: [],
  iscsi: ["targetPortal", "iqn"],
  local: ["path"],
  nfs: ["server", "path"],
  photonPersistentDisk: ["pdID"],
  portworxVolume: ["volumeID"],
  quobyte: ["registry", "volume"],
  rbd: ["monitors", "image"],
  scaleIO: ["gateway", "system", "volumeName"],
  storageos: [],
  vsphereVolume: ["volumePath"],
} as const satisfies Partial<Record<keyof PersistentVolumeSpec, readonly string[]>>;

export type VolumeSourceName = keyof typeof REQUIRED;

const NAMES = Object.keys(REQUIRED) as VolumeSourceName[];

export function sourcesOf(spec: Readonly<PersistentVolumeSpec>): VolumeSourceName[] {
  return NAMES.filter((name) => spec[name] !== undefined);
}

export function validateVolumeSource(
  spec: PersistentVolumeSpec,
  name: VolumeSourceName,
  path: FieldPath,
): FieldError[] {
  const values: ReadonlyMap<string, unknown> = new Map(Object.entries(spec[name] ?? {}));
  const missing = REQUIRED[name].filter((field) => {
    const value = values.get(field);
    return !value || (Array.isArray(value) && value.length === 0);
  });
  const errors = missing.map((field) => required(path.child(field)));
  if (name === "csi" && spec.csi) errors.push(...validateCsi(spec.csi, path));
  if (name === "hostPath" && spec.hostPath) errors.push(...validateHostPath(spec.hostPath, path));
  if (name === "nfs" && spec.nfs?.path && !spec.nfs.path.startsWith("/")) {
    errors.push(invalidValue(path.child("path"), spec.nfs.path, "must be an absolute path"));
  }
  if (name === "local" && spec.local?.path?.split("/").includes("..")) {
    errors.push(invalidValue(path.child("path"), spec.local.path, "must not contain '..'"));
  }
  return errors;
}

const MAX_DRIVER_NAME = 63;

function validateCsi(csi: CSIPersistentVolumeSource, path: FieldPath): FieldError[] {
  const errors = validateCsiDriverName(csi.driver, path.child("driver"));
  if (!csi.volumeHandle) errors.push(required(path.child("volumeHandle")));
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

export function validateCsiDriverName(name: string | undefined, path: FieldPath): FieldError[] {
  if (!name) return [required(path)];
  const errors = name.length > MAX_DRIVER_NAME ? [tooLong(path, MAX_DRIVER_NAME)] : [];
  return [...errors, ...invalidAll(path, name, isDns1123Subdomain(name.toLowerCase()))];
}

function validateSecret(secret: SecretReference | undefined, path: FieldPath): FieldError[] {
  if (!secret) return [];
  const errors: FieldError[] = secret.name ? [] : [required(path.child("name"))];
  if (!secret.namespace) return [...errors, required(path.child("namespace"))];
  return [...errors, ...invalidAll(path.child("namespace"), secret.namespace, isDns1123Label(secret.namespace))];
}

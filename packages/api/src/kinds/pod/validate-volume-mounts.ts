// Where containers see the pod's volumes.
import type { Container, Volume, VolumeMount } from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import {
  type FieldPath,
  forbiddenField,
  invalidValue,
  itemErrors,
  notFoundValue,
  notSupported,
  required,
} from "../../validation/path.ts";
import { validateLocalPath, validateNoBacksteps } from "./validate-paths.ts";

type Volumes = ReadonlyMap<string, Volume>;

/** Every mount names a volume of the pod, and no two mounts of a container share a path. */
export function validateVolumeMounts(container: Container, volumes: Volumes, path: FieldPath): FieldError[] {
  const paths = new Set<string>();
  return itemErrors(container.volumeMounts ?? [], (mount, i) => {
    const at = path.index(i);
    return [
      ...validateTarget(mount, volumes, at),
      ...validateMountPath(mount, paths, at),
      ...validateNotDevice(mount, container, at),
      ...validateSubPath(mount, at),
      // Upstream reports this one without the index.
      ...validatePropagation(mount, container, path.child("mountPropagation")),
      ...validateRecursiveReadOnly(mount, at.child("recursiveReadOnly")),
    ];
  });
}

function validateTarget({ name }: VolumeMount, volumes: Volumes, path: FieldPath): FieldError[] {
  const errors = name ? [] : [required(path.child("name"))];
  return volumes.has(name) ? errors : [...errors, notFoundValue(path.child("name"), name ?? "")];
}

function validateMountPath({ mountPath }: VolumeMount, paths: Set<string>, path: FieldPath): FieldError[] {
  if (!mountPath) return [required(path.child("mountPath"))];
  if (paths.has(mountPath)) return [invalidValue(path.child("mountPath"), mountPath, "must be unique")];
  paths.add(mountPath);
  return [];
}

/** A volume is mounted or handed over raw, not both. */
function validateNotDevice({ name, mountPath }: VolumeMount, { volumeDevices = [] }: Container, path: FieldPath) {
  const errors: FieldError[] = [];
  if (volumeDevices.some((device) => device.name === name)) {
    errors.push(invalidValue(path.child("name"), name, "must not already exist in volumeDevices"));
  }
  if (volumeDevices.some((device) => device.devicePath === mountPath)) {
    errors.push(invalidValue(path.child("mountPath"), mountPath, "must not already exist as a path in volumeDevices"));
  }
  return errors;
}

/** One folder or file of the volume, inside of it. */
function validateSubPath({ subPath, subPathExpr }: VolumeMount, path: FieldPath): FieldError[] {
  const errors = subPath ? validateLocalPath(subPath, path.child("subPath")) : [];
  if (!subPathExpr) return errors;
  const at = path.child("subPathExpr");
  // The one is taken as it is written, in the other `$(NAME)` stands for a variable.
  if (subPath) errors.push(invalidValue(at, subPathExpr, "subPathExpr and subPath are mutually exclusive"));
  return [...errors, ...validateLocalPath(subPathExpr, at)];
}

const PROPAGATIONS = ["Bidirectional", "HostToContainer", "None"];

function validatePropagation({ mountPropagation }: VolumeMount, container: Container, path: FieldPath): FieldError[] {
  if (mountPropagation === undefined) return [];
  if (!PROPAGATIONS.includes(mountPropagation)) return [notSupported(path, mountPropagation, PROPAGATIONS)];
  // The container's mounts would appear on the host.
  if (mountPropagation !== "Bidirectional" || container.securityContext?.privileged) return [];
  return [forbiddenField(path, "Bidirectional mount propagation is available only to privileged containers")];
}

const RECURSIVE = ["Disabled", "Enabled", "IfPossible"];

function validateRecursiveReadOnly(mount: VolumeMount, path: FieldPath): FieldError[] {
  const mode = mount.recursiveReadOnly;
  if (mode === undefined || mode === "Disabled") return [];
  if (!RECURSIVE.includes(mode)) return [notSupported(path, mode, RECURSIVE)];
  const errors: FieldError[] = [];
  // It says how deep "read-only" goes, below mounts inside of the volume too.
  if (!mount.readOnly) errors.push(forbiddenField(path, "may only be specified when readOnly is true"));
  if (mount.mountPropagation && mount.mountPropagation !== "None") {
    errors.push(forbiddenField(path, "may only be specified when mountPropagation is None or not specified"));
  }
  return errors;
}

/** Raw block devices come from claims only. */
export function validateVolumeDevices(container: Container, volumes: Volumes, path: FieldPath): FieldError[] {
  const names = new Set<string>();
  const paths = new Set<string>();
  return itemErrors(container.volumeDevices ?? [], ({ name, devicePath }, i) => {
    const at = path.index(i);
    const errors = validateDeviceName(name, names, volumes, at.child("name"));
    names.add(name);
    if (!devicePath) return [...errors, required(at.child("devicePath"))];
    errors.push(...validateNoBacksteps(devicePath, at.child("devicePath")));
    if (paths.has(devicePath)) errors.push(invalidValue(at.child("devicePath"), devicePath, "must be unique"));
    paths.add(devicePath);
    return errors;
  });
}

function validateDeviceName(name: string, taken: ReadonlySet<string>, volumes: Volumes, path: FieldPath): FieldError[] {
  const errors: FieldError[] = name ? [] : [required(path)];
  if (taken.has(name)) errors.push(invalidValue(path, name, "must be unique"));
  const volume = volumes.get(name);
  if (!volume) return [...errors, notFoundValue(path, name ?? "")];
  if (volume.persistentVolumeClaim || volume.ephemeral) return errors;
  const detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
  return [...errors, invalidValue(path, name, detail)];
}

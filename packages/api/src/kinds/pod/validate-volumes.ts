// Volumes of a pod: one source each, with what that source needs.
import type {
  ConfigMapVolumeSource,
  HostPathVolumeSource,
  ObjectMeta,
  PersistentVolumeClaimTemplate,
  Volume,
} from "../../../generated/types.ts";
import type { FieldError } from "../../errors.ts";
import { compareQuantities } from "../../quantity.ts";
import { isDns1123Label, isDns1123Subdomain } from "../../validation/names.ts";
import { validateAnnotations, validateLabels } from "../../validation/object-meta.ts";
import {
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  notSupported,
  required,
} from "../../validation/path.ts";
import { validateClaimSpec } from "../persistent-volume-claim/validate.ts";
import { validateLocalPath, validateNoBacksteps } from "./validate-paths.ts";
import { validateProjected } from "./validate-projected.ts";
import { validateDownwardFile, validateItems, validateMode } from "./validate-volume-items.ts";

/** The errors, and the volumes without any by name, which mounts may refer to. */
export function validateVolumes(volumes: readonly Volume[], path: FieldPath, meta?: Readonly<ObjectMeta>) {
  const byName = new Map<string, Volume>();
  const errors: FieldError[] = [];
  for (const [i, volume] of volumes.entries()) {
    const own = validateVolume(volume, byName, path.index(i), meta);
    if (own.length === 0) byName.set(volume.name, volume);
    errors.push(...own);
  }
  return { byName, errors };
}

type SourceName = Exclude<keyof Volume, "name">;

function validateVolume(
  volume: Volume,
  others: ReadonlyMap<string, Volume>,
  path: FieldPath,
  meta: Readonly<ObjectMeta> | undefined,
): FieldError[] {
  const namePath = path.child("name");
  const [source, ...more] = (Object.keys(volume) as (keyof Volume)[]).filter(
    (field): field is SourceName => field !== "name" && volume[field] !== undefined,
  );
  const errors = source ? validateSource(volume, source, path) : [required(path, "must specify a volume type")];
  for (const name of more) errors.push(forbiddenField(path.child(name), "may not specify more than 1 volume type"));
  if (!volume.name) errors.push(required(namePath));
  else errors.push(...invalidAll(namePath, volume.name, isDns1123Label(volume.name)));
  if (others.has(volume.name)) errors.push(duplicate(namePath, volume.name));
  if (volume.ephemeral && meta?.name && volume.name)
    errors.push(...validateClaimName(volume.name, meta.name, namePath));
  return errors;
}

/** An ephemeral volume becomes a claim named after the pod and the volume. */
function validateClaimName(volume: string, pod: string, path: FieldPath): FieldError[] {
  const claim = `${pod}-${volume}`;
  return isDns1123Subdomain(claim).map((message) => invalidValue(path, volume, `PVC name "${claim}": ${message}`));
}

function validateClaimTemplate(template: PersistentVolumeClaimTemplate | undefined, path: FieldPath): FieldError[] {
  if (!template) return [required(path)];
  return [
    ...validateLabels(template.metadata?.labels, path.child("metadata", "labels")),
    ...validateAnnotations(template.metadata?.annotations, path.child("metadata", "annotations")),
    ...validateClaimSpec(template.spec ?? {}, path.child("spec")),
  ];
}

function validateSource(volume: Volume, name: SourceName, path: FieldPath): FieldError[] {
  const at = path.child(name);
  switch (name) {
    case "emptyDir":
      return validateSizeLimit(volume.emptyDir?.sizeLimit, at.child("sizeLimit"));
    case "hostPath":
      return volume.hostPath ? validateHostPath(volume.hostPath, at) : [];
    case "secret":
      return volume.secret ? validateKeys(volume.secret, volume.secret.secretName, "secretName", at) : [];
    case "configMap":
      return volume.configMap ? validateKeys(volume.configMap, volume.configMap.name, "name", at) : [];
    case "downwardAPI":
      return [
        ...validateMode(volume.downwardAPI?.defaultMode, at.child("defaultMode")),
        ...(volume.downwardAPI?.items ?? []).flatMap((item, i) =>
          validateDownwardFile(item, at.child("items").index(i)),
        ),
      ];
    case "projected":
      return volume.projected ? validateProjected(volume.projected, at) : [];
    case "nfs":
      return validateNfs(volume, at);
    case "gitRepo":
      return [
        ...requireFields(volume.gitRepo, ["repository"], at),
        ...validateLocalPath(volume.gitRepo?.directory ?? "", at.child("directory")),
      ];
    case "ephemeral":
      return validateClaimTemplate(volume.ephemeral?.volumeClaimTemplate, at.child("volumeClaimTemplate"));
    default:
      return requireFields(volume[name], REQUIRED[name] ?? [], at);
  }
}

/** What the other sources cannot do without. */
const REQUIRED: Partial<Record<SourceName, readonly string[]>> = {
  persistentVolumeClaim: ["claimName"],
  csi: ["driver"],
  image: ["reference"],
  iscsi: ["targetPortal", "iqn"],
  glusterfs: ["endpoints", "path"],
  rbd: ["monitors", "image"],
  cephfs: ["monitors"],
  cinder: ["volumeID"],
  azureFile: ["secretName", "shareName"],
  azureDisk: ["diskName", "diskURI"],
  vsphereVolume: ["volumePath"],
  photonPersistentDisk: ["pdID"],
  portworxVolume: ["volumeID"],
  quobyte: ["registry", "volume"],
  scaleIO: ["gateway", "system", "volumeName"],
  flexVolume: ["driver"],
  awsElasticBlockStore: ["volumeID"],
  gcePersistentDisk: ["pdName"],
};

function requireFields(source: object | undefined, fields: readonly string[], path: FieldPath): FieldError[] {
  const values = new Map<string, unknown>(Object.entries(source ?? {}));
  return fields
    .filter((field) => {
      const value = values.get(field);
      return !value || (Array.isArray(value) && value.length === 0);
    })
    .map((field) => required(path.child(field)));
}

function validateSizeLimit(limit: string | undefined, path: FieldPath): FieldError[] {
  if (limit === undefined || compareQuantities(limit, "0") >= 0) return [];
  return [forbiddenField(path, "SizeLimit field must be a valid resource quantity")];
}

const HOST_PATH_TYPES = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];

export function validateHostPath(source: HostPathVolumeSource, path: FieldPath): FieldError[] {
  if (!source.path) return [required(path.child("path"))];
  const errors = validateNoBacksteps(source.path, path.child("path"));
  if (source.type !== undefined && !HOST_PATH_TYPES.includes(source.type)) {
    errors.push(notSupported(path.child("type"), source.type, HOST_PATH_TYPES));
  }
  return errors;
}

function validateNfs({ nfs }: Volume, path: FieldPath): FieldError[] {
  const errors = requireFields(nfs, ["server", "path"], path);
  if (nfs?.path && !nfs.path.startsWith("/")) {
    errors.push(invalidValue(path.child("path"), nfs.path, "must be an absolute path"));
  }
  return errors;
}

function validateKeys(
  source: Pick<ConfigMapVolumeSource, "items" | "defaultMode">,
  object: string | undefined,
  nameField: string,
  path: FieldPath,
): FieldError[] {
  return [
    ...(object ? [] : [required(path.child(nameField))]),
    ...validateMode(source.defaultMode, path.child("defaultMode")),
    ...validateItems(source.items, path.child("items")),
  ];
}

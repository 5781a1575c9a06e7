// Volumes of a pod: one source each, with what that source needs.
import type {
  ConfigMapVolumeSource,
  CSIVolumeSource,
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
  allErrors,
  duplicate,
  type FieldPath,
  forbiddenField,
  invalidAll,
  invalidValue,
  notSupported,
  required,
} from "../../validation/path.ts";
import { validateClaimSpec } from "../persistent-volume-claim/validate.ts";
import { requireFields } from "../volume-sources/require-fields.ts";
import { isPortalNameTooLong, PORTAL_NAME_TOO_LONG } from "../volume-sources/validate-block-network.ts";
import { validateCsiDriverName } from "../volume-sources/validate-csi-driver-name.ts";
import { isRemoteSource, validateRemoteSource } from "../volume-sources/validate-remote-source.ts";
import { validateLocalPath, validateNoBacksteps } from "./validate-paths.ts";
import { validateProjected } from "./validate-projected.ts";
import { validateDownwardFile, validateItems, validateMode } from "./validate-volume-items.ts";

/** The errors, and the volumes without any by name, which mounts may refer to. */
export function validateVolumes(volumes: readonly Volume[], path: FieldPath, meta?: Readonly<ObjectMeta>) {
  const byName = new Map<string, Volume>();
  const errors: FieldError[] = [];
  for (const [i, volume] of volumes.entries()) {
    const own = validateVolume(volume, byName, path.index(i), meta);
    // A mount of a volume that is wrong is reported as not found too, as upstream does.
    if (own.length === 0) byName.set(volume.name, volume);
    errors.push(...own);
  }
  return { byName, errors };
}

// A volume is its name and one of these.
type SourceName = Exclude<keyof Volume, "name">;

/** The order in which upstream looks: the first source is checked, every later one is too many. */
const SOURCES: readonly SourceName[] = [
  ...([
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
  ] as const),
  ...(["glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI"] as const),
  ...(["fc", "flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk"] as const),
  ...(["portworxVolume", "azureDisk", "storageos", "projected", "scaleIO", "csi", "ephemeral", "image"] as const),
];

/** Sources that upstream's message about too many spells in its own way. */
const SPELT: Partial<Record<SourceName, string>> = { cephfs: "cephFS", downwardAPI: "downwarAPI" };

function validateVolume(
  volume: Volume,
  others: ReadonlyMap<string, Volume>,
  path: FieldPath,
  meta: Readonly<ObjectMeta> | undefined,
): FieldError[] {
  const namePath = path.child("name");
  const [source, ...more] = SOURCES.filter((name) => volume[name] !== undefined);
  const errors = source ? validateSource(volume, source, path) : [];
  for (const name of more) {
    errors.push(forbiddenField(path.child(SPELT[name] ?? name), "may not specify more than 1 volume type"));
  }
  if (source === "iscsi" && volume.iscsi && isPortalNameTooLong(volume.name, { ...volume.iscsi })) {
    errors.push(invalidValue(namePath, volume.name, PORTAL_NAME_TOO_LONG));
  }
  // Templates have no name yet, so that their pods are judged when they are made.
  if (volume.ephemeral && meta?.name && volume.name) {
    errors.push(...validateClaimName(volume.name, meta.name, namePath));
  }
  if (!source) errors.push(required(path, "must specify a volume type"));
  if (!volume.name) errors.push(required(namePath));
  else errors.push(...invalidAll(namePath, volume.name, isDns1123Label(volume.name)));
  if (others.has(volume.name)) errors.push(duplicate(namePath, volume.name));
  return errors;
}

/** An ephemeral volume becomes a claim named after the pod and the volume. */
function validateClaimName(volume: string, pod: string, path: FieldPath): FieldError[] {
  const claim = `${pod}-${volume}`;
  return isDns1123Subdomain(claim).map((message) => invalidValue(path, volume, `PVC name "${claim}": ${message}`));
}

/** The claim is made by a controller, which decides everything but labels and annotations. */
const CLAIM_METADATA: ReadonlySet<string> = new Set(["annotations", "labels"]);

function validateClaimTemplate(template: PersistentVolumeClaimTemplate | undefined, path: FieldPath): FieldError[] {
  if (!template) return [required(path)];
  const metadata = path.child("metadata");
  const foreign = Object.keys(template.metadata ?? {}).filter((field) => !CLAIM_METADATA.has(field));
  return [
    ...validateAnnotations(template.metadata?.annotations, metadata.child("annotations")),
    ...validateLabels(template.metadata?.labels, metadata.child("labels")),
    // Upstream derives the name from its own field UID.
    ...foreign.map((field) =>
      forbiddenField(metadata.child(field === "uid" ? "uID" : field), "cannot be set for an ephemeral volume"),
    ),
    ...validateClaimSpec(template.spec ?? {}, path.child("spec")),
  ];
}

/** Only what the source itself says: whether the object exists shows when the kubelet mounts it. */
function validateSource(volume: Volume, name: SourceName, path: FieldPath): FieldError[] {
  const at = path.child(name);
  const source = volume[name];
  if (isRemoteSource(name) && source) return validateRemoteSource(name, source, at);
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
        // Upstream's paths leave the item out.
        ...(volume.downwardAPI?.items ?? []).flatMap((item) => validateDownwardFile(item, at)),
      ];
    case "projected":
      return volume.projected ? validateProjected(volume.projected, at) : [];
    case "csi":
      return volume.csi ? validateCsi(volume.csi, at) : [];
    case "gitRepo":
      return allErrors(
        requireFields(volume.gitRepo, ["repository"], at),
        validateLocalPath(volume.gitRepo?.directory ?? "", at.child("directory")),
      );
    case "ephemeral":
      return validateClaimTemplate(volume.ephemeral?.volumeClaimTemplate, at.child("volumeClaimTemplate"));
    // Whether it may be read-only, or written by many, is for the claim's access modes.
    case "persistentVolumeClaim":
      return requireFields(source, ["claimName"], at);
    default:
      return requireFields(source, ["reference"], at);
  }
}

/** An inline volume of a driver, which lives and dies with the pod. */
function validateCsi({ driver, nodePublishSecretRef: secret }: CSIVolumeSource, path: FieldPath): FieldError[] {
  const errors = validateCsiDriverName(driver, path.child("driver"));
  if (!secret) return errors;
  if (!secret.name) return [...errors, required(path.child("nodePublishSecretRef", "name"))];
  // Upstream reports the name beside the driver's.
  return [...errors, ...invalidAll(path.child("name"), secret.name, isDns1123Subdomain(secret.name))];
}

/** Zero means no limit but the node's. */
function validateSizeLimit(limit: string | undefined, path: FieldPath): FieldError[] {
  if (limit === undefined || compareQuantities(limit, "0") >= 0) return [];
  return [forbiddenField(path, "SizeLimit field must be a valid resource quantity")];
}

// What must be there, or is made, before the path is mounted. Empty: nothing is checked.
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

/** Also judges PersistentVolumes. Whether a pod may use the host's files is for Pod Security admission to say. */
export function validateHostPath(source: HostPathVolumeSource, path: FieldPath): FieldError[] {
  if (!source.path) return [required(path.child("path"))];
  const errors = validateNoBacksteps(source.path, path.child("path"));
  if (source.type !== undefined && !HOST_PATH_TYPES.includes(source.type)) {
    errors.push(notSupported(path.child("type"), source.type, HOST_PATH_TYPES));
  }
  return errors;
}

/** ConfigMaps and Secrets as volumes, which call the object's name by different fields. */
function validateKeys(
  source: Pick<ConfigMapVolumeSource, "items" | "defaultMode">,
  object: string | undefined,
  nameField: string,
  path: FieldPath,
): FieldError[] {
  return allErrors(
    object ? [] : [required(path.child(nameField))],
    validateMode(source.defaultMode, path.child("defaultMode")),
    validateItems(source.items, path.child("items")),
  );
}

// Storage that pods and PersistentVolumes name in the same words: what each source cannot do without.
import type { FieldError } from "../../errors.ts";
import { isDns1123Label } from "../../validation/names.ts";
import { type FieldPath, invalidAll, invalidValue, notSupported, required } from "../../validation/path.ts";
import { type Fields, type Owner, requireFields } from "./require-fields.ts";
import { validateFibreChannel, validateIscsi } from "./validate-block-network.ts";

/** Sources that lie outside of the node and are checked alike wherever they are named. */
export type RemoteSourceName = keyof typeof RULES;

type Rule = (source: Fields, path: FieldPath, owner: Owner) => FieldError[];

/** `path` is the source's own. */
export function validateRemoteSource(name: RemoteSourceName, source: object, path: FieldPath, owner: Owner = {}) {
  return RULES[name](source as Fields, path, owner);
}

/** Whether there is a rule for the source; the others are checked by those who have them. */
export function isRemoteSource(name: string): name is RemoteSourceName {
  return Object.hasOwn(RULES, name);
}

const RULES = {
  awsElasticBlockStore: (disk, path) => [...requireFields(disk, ["volumeID"], path), ...partition(disk, path)],
  azureDisk: validateAzureDisk,
  azureFile: (file, path, { persistentVolume }) => [
    ...requireFields(file, ["secretName", "shareName"], path),
    ...(persistentVolume !== undefined && file.secretNamespace === "" ? [required(path.child("secretNamespace"))] : []),
  ],
  cephfs: (source, path) => requireFields(source, ["monitors"], path),
  cinder: (source, path, owner) => [...requireFields(source, ["volumeID"], path), ...secret(source, path, owner)],
  fc: validateFibreChannel,
  flexVolume: (source, path) => [...requireFields(source, ["driver"], path), ...flexOptions(source, path)],
  flocker: validateFlocker,
  // Upstream's messages know the disk by this name.
  gcePersistentDisk: (disk, path) => {
    const at = path.sibling("persistentDisk");
    return [...requireFields(disk, ["pdName"], at), ...partition(disk, at)];
  },
  glusterfs: (source, path) => [
    ...requireFields(source, ["endpoints", "path"], path),
    ...endpointsNamespace(source.endpointsNamespace, path.child("endpointsNamespace")),
  ],
  iscsi: validateIscsi,
  nfs: validateNfs,
  photonPersistentDisk: (source, path) => requireFields(source, ["pdID"], path),
  portworxVolume: (source, path) => requireFields(source, ["volumeID"], path),
  quobyte: validateQuobyte,
  rbd: (source, path) => requireFields(source, ["monitors", "image"], path),
  scaleIO: (source, path) => requireFields(source, ["gateway", "system", "volumeName"], path),
  storageos: validateStorageOs,
  vsphereVolume: (source, path) => requireFields(source, ["volumePath"], path),
} as const satisfies Readonly<Record<string, Rule>>;

/** The partition of a disk that has several. */
function partition({ partition: number }: Fields, path: FieldPath): FieldError[] {
  if (typeof number !== "number" || (number >= 0 && number <= 255)) return [];
  // Zero passes, in spite of upstream's words: it is the whole disk.
  return [invalidValue(path.child("partition"), number, "must be between 1 and 255, inclusive")];
}

/** A pod's Secret is in its own namespace; a PersistentVolume has none. */
function secret({ secretRef }: Fields, path: FieldPath, { persistentVolume }: Owner): FieldError[] {
  if (!secretRef) return [];
  return requireFields(
    secretRef,
    persistentVolume === undefined ? ["name"] : ["name", "namespace"],
    path.child("secretRef"),
  );
}

// Most of these drivers are gone from upstream, their fields are not: objects that name them can still be written.
const CACHING_MODES = ["None", "ReadOnly", "ReadWrite"];
const DISK_KINDS = ["Dedicated", "Managed", "Shared"];
const MANAGED_DISK = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}";
const BLOB_DISK = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd";

/** A managed disk is a path in Azure's API, others are blobs at a URL. */
function validateAzureDisk(disk: Fields, path: FieldPath): FieldError[] {
  const errors = requireFields(disk, ["diskName", "diskURI"], path);
  const { cachingMode, kind, diskURI } = disk;
  const uri = typeof diskURI === "string" ? diskURI : "";
  if (typeof cachingMode === "string" && !CACHING_MODES.includes(cachingMode)) {
    errors.push(notSupported(path.child("cachingMode"), cachingMode, CACHING_MODES));
  }
  if (typeof kind !== "string") return errors;
  if (!DISK_KINDS.includes(kind)) errors.push(notSupported(path.child("kind"), kind, DISK_KINDS));
  const [prefix, form] = kind === "Managed" ? ["/subscriptions/", MANAGED_DISK] : ["https://", BLOB_DISK];
  if (!uri.startsWith(prefix)) errors.push(notSupported(path.child("diskURI"), uri, [form]));
  return errors;
}

/** Options in Kubernetes' own domains are the kubelet's to set. */
function flexOptions({ options }: Fields, path: FieldPath): FieldError[] {
  return Object.keys(options ?? {}).flatMap((name) => {
    const domain = `.${(name.includes("/") ? name.slice(0, name.indexOf("/")) : name).toLowerCase()}`;
    if (!domain.endsWith(".kubernetes.io") && !domain.endsWith(".k8s.io")) return [];
    return [invalidValue(path.child("options").key(name), name, "kubernetes.io and k8s.io namespaces are reserved")];
  });
}

function validateFlocker({ datasetName, datasetUUID }: Fields, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (!datasetName && !datasetUUID) errors.push(required(path, "one of datasetName and datasetUUID is required"));
  if (datasetName && datasetUUID) {
    errors.push(invalidValue(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"));
  }
  if (typeof datasetName === "string" && datasetName.includes("/")) {
    errors.push(invalidValue(path.child("datasetName"), datasetName, "must not contain '/'"));
  }
  return errors;
}

function endpointsNamespace(namespace: unknown, path: FieldPath): FieldError[] {
  if (typeof namespace !== "string") return [];
  if (namespace) return invalidAll(path, namespace, isDns1123Label(namespace));
  return [invalidValue(path, namespace, "if the endpointnamespace is set, it must be a valid namespace name")];
}

/** A server and a folder that it exports. */
function validateNfs(source: Fields, path: FieldPath): FieldError[] {
  const errors = requireFields(source, ["server", "path"], path);
  const file = typeof source.path === "string" ? source.path : "";
  if (!file.startsWith("/")) errors.push(invalidValue(path.child("path"), file, "must be an absolute path"));
  return errors;
}

const HOST_PORT_RE = /^(?:\[[^[\]]*\]|[^:[\]]*):[^:[\]]*$/;
const HOST_PORTS = "must be a host:port pair or multiple pairs separated by commas";
const MAX_TENANT = 64;

function validateQuobyte({ registry, tenant, volume }: Fields, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (typeof registry !== "string" || registry === "") {
    errors.push(required(path.child("registry"), HOST_PORTS));
  } else if (typeof tenant === "string" && tenant.length > MAX_TENANT) {
    // Upstream reports it as missing.
    const detail = "must be a UUID and may not exceed a length of 64 characters";
    errors.push(required(path.child("tenant"), detail));
  } else {
    const wrong = registry.split(",").filter((pair) => !HOST_PORT_RE.test(pair));
    errors.push(...wrong.map(() => invalidValue(path.child("registry"), registry, HOST_PORTS)));
  }
  return volume ? errors : [...errors, required(path.child("volume"))];
}

function validateStorageOs(source: Fields, path: FieldPath, owner: Owner): FieldError[] {
  const errors = requireFields(source, ["volumeName"], path);
  for (const field of ["volumeName", "volumeNamespace"]) {
    const name = source[field];
    if (typeof name === "string" && name) errors.push(...invalidAll(path.child(field), name, isDns1123Label(name)));
  }
  return [...errors, ...secret(source, path, owner)];
}

// What a container is given of the pod's volumes: folders, images and devices, at its own paths.
import { realpath } from "node:fs/promises";
import { posix } from "node:path";
import type { Container, Pod, VolumeMount } from "@skiff/api/types.ts";
import type { ContainerConfig, Mount, MountPropagation } from "../cri/types.ts";
import { expand } from "../env/expand.ts";
import { ContainerConfigError } from "../env/make-env.ts";
import type { MountedVolumes, VolumeManager } from "../volumes/volume-manager.ts";
import type { ImageVolumes } from "./image-volumes.ts";

/** One container's view of volumes that are set up already. */
export interface VolumeMountRequest {
  readonly pod: Pod;
  readonly container: Container;
  readonly mounted: MountedVolumes;
  readonly imageVolumes: ImageVolumes;
  /** Whether the pod's runtime handler makes what lies below a mount read-only too; asked only where it matters. */
  canMountReadOnlyRecursively(): Promise<boolean>;
}

export interface VolumeMountDeps {
  readonly volumes: Pick<VolumeManager, "mountPath" | "relabels">;
}

const PROPAGATION: Record<string, MountPropagation> = {
  None: "PROPAGATION_PRIVATE",
  HostToContainer: "PROPAGATION_HOST_TO_CONTAINER",
  Bidirectional: "PROPAGATION_BIDIRECTIONAL",
};

/** `lookup` finds the container's variables, for subPathExpr. */
export async function volumeMounts(
  request: VolumeMountRequest,
  lookup: (name: string) => string | undefined,
  deps: VolumeMountDeps,
): Promise<Mount[]> {
  const mounts: Mount[] = [];
  for (const mount of request.container.volumeMounts ?? []) {
    const subPath = mount.subPathExpr ? expandStrictly(mount.subPathExpr, lookup) : (mount.subPath ?? "");
    checkInside(subPath);
    mounts.push(imageMount(request, mount, subPath) ?? (await folderMount(request, mount, subPath, deps)));
  }
  return mounts;
}

/** The devices behind the container's volumeDevices. */
export async function blockDevices({
  pod,
  container,
  mounted,
}: VolumeMountRequest): Promise<ContainerConfig["devices"]> {
  const devices: ContainerConfig["devices"] = [];
  for (const { name, devicePath } of container.volumeDevices ?? []) {
    const path = mounted.get(name);
    if (path === undefined)
      throw new ContainerConfigError(`cannot find volume "${name}" to pass into container "${container.name}"`);
    // The device cgroup's letters: read, write and mknod.
    const permissions = isReadOnlyVolume(pod, name) ? "r" : "mrw";
    devices.push({ containerPath: devicePath, hostPath: await realpath(path), permissions });
  }
  return devices;
}

function imageMount({ imageVolumes }: VolumeMountRequest, mount: VolumeMount, subPath: string): Mount | undefined {
  const image = imageVolumes.get(mount.name);
  if (!image) return undefined;
  return {
    containerPath: posix.resolve("/", mount.mountPath),
    hostPath: "",
    readonly: true,
    propagation: "PROPAGATION_PRIVATE",
    image: { image: image.id, userSpecifiedImage: image.reference },
    ...(subPath ? { imageSubPath: subPath } : {}),
  };
}

async function folderMount(
  request: VolumeMountRequest,
  mount: VolumeMount,
  subPath: string,
  deps: VolumeMountDeps,
): Promise<Mount> {
  const { pod, container, mounted } = request;
  const volumeDir = mounted.get(mount.name);
  if (volumeDir === undefined)
    throw new ContainerConfigError(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
  let hostPath: string;
  try {
    hostPath = await deps.volumes.mountPath(pod, container, mount, volumeDir, subPath);
  } catch (error) {
    // Why stays in the log: it may tell a pod's owner how the host's file system looks.
    const what = `failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}"`;
    throw new ContainerConfigError(what, { cause: error });
  }
  const recursively = await isReadOnlyRecursively(mount, () => request.canMountReadOnlyRecursively());
  const relabels = await deps.volumes.relabels(pod, mount.name, volumeDir);
  return {
    containerPath: posix.resolve("/", mount.mountPath),
    hostPath,
    // What the kubelet itself writes and refreshes is never the container's to change.
    readonly: (mount.readOnly ?? false) || isReadOnlyVolume(pod, mount.name),
    propagation: PROPAGATION[mount.mountPropagation ?? "None"] ?? "PROPAGATION_PRIVATE",
    ...(recursively ? { recursiveReadOnly: true } : {}),
    ...(relabels ? { selinuxRelabel: true } : {}),
  };
}

/** Throws upstream's words where what is asked for cannot be had. */
async function isReadOnlyRecursively(
  { name, recursiveReadOnly: mode = "Disabled", readOnly, mountPropagation = "None" }: VolumeMount,
  supported: () => Promise<boolean>,
): Promise<boolean> {
  if (mode === "Disabled") return false;
  const fail = (why: string) =>
    new ContainerConfigError(
      `failed to resolve recursive read-only mode: volume "${name}" requested recursive read-only mode, but it is ${why}`,
    );
  if (!readOnly) throw fail("not read-only");
  if (mountPropagation !== "None") throw fail(`not compatible with propagation "${mountPropagation}"`);
  if (await supported()) return true;
  if (mode === "IfPossible") return false;
  throw fail("not supported by the runtime");
}

/** Volumes made of API objects, and those that the pod itself asks to be read-only. */
function isReadOnlyVolume(pod: Pod, volumeName: string): boolean {
  const volume = pod.spec?.volumes?.find(({ name }) => name === volumeName);
  if (volume?.configMap ?? volume?.secret ?? volume?.downwardAPI ?? volume?.projected) return true;
  return Boolean(volume?.persistentVolumeClaim?.readOnly || volume?.csi?.readOnly || volume?.nfs?.readOnly);
}

/** What variables make of a path, the API could not judge. */
function checkInside(subPath: string): void {
  if (posix.isAbsolute(subPath))
    throw new ContainerConfigError(`error SubPath \`${subPath}\` must not be an absolute path`);
  if (subPath.split("/").includes(".."))
    throw new ContainerConfigError(`unable to provision SubPath \`${subPath}\`: must not contain '..'`);
}

/** In a subPathExpr a variable that does not exist is an error, not text. */
function expandStrictly(text: string, lookup: (name: string) => string | undefined): string {
  return expand(text, (name) => {
    const value = lookup(name);
    if (value === undefined) throw new ContainerConfigError(`missing value for "${name}"`);
    return value;
  });
}

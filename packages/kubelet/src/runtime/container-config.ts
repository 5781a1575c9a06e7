// The container's half of what the runtime is told: command, environment, mounts, resources, identity.
import { randomBytes } from "node:crypto";
import { chmod, mkdir, readFile, realpath, writeFile } from "node:fs/promises";
import { join, posix } from "node:path";
import type { Pod, VolumeMount } from "@skiff/api/types.ts";
import { containerResources } from "../cgroups/resources.ts";
import type { ContainerConfig, Image, Mount, MountPropagation } from "../cri/types.ts";
import { expand } from "../env/expand.ts";
import type { EnvContext } from "../env/make-env.ts";
import { ContainerConfigError, makeEnv } from "../env/make-env.ts";
import type { PodPaths } from "../pod-paths.ts";
import type { MountedVolumes, VolumeManager } from "../volumes/volume-manager.ts";
import { hostNetworkHosts, podHosts } from "./etc-hosts.ts";
import { containerAnnotations, containerLabels } from "./labels.ts";
import { podHostname } from "./sandbox-config.ts";
import { containerSecurityContext } from "./security-context.ts";

export interface ContainerConfigDeps {
  readonly paths: PodPaths;
  readonly volumes: Pick<VolumeManager, "mountPath">;
  readonly clusterDomain: string;
  readonly seccompRoot: string;
  /** Confine by the runtime's default profile whoever asks for none. */
  readonly seccompDefault: boolean;
  readonly memoryCapacity: number;
}

export interface ContainerRequest extends EnvContext {
  readonly image: Image;
  readonly mounted: MountedVolumes;
  readonly restartCount: number;
  /** The runtime's id of the container whose processes an ephemeral container shares. */
  readonly targetId?: string | undefined;
}

/** Throws ContainerConfigError for what only a change of the pod or its objects can repair. */
export async function containerConfig(request: ContainerRequest, deps: ContainerConfigDeps): Promise<ContainerConfig> {
  const { pod, container, image, restartCount, targetId } = request;
  const { stopSignal } = container.lifecycle ?? {};
  // The runtime takes it from the image alone: a signal that would not be sent must not look as if it were.
  if (stopSignal) throw new ContainerConfigError(`stop signal ${stopSignal} is not supported by the container runtime`);
  const { seccompRoot, seccompDefault } = deps;
  const securityContext = containerSecurityContext(pod, container, image, { seccompRoot, seccompDefault, targetId });
  const env = await makeEnv(request);
  const lookup = (name: string) => env.get(name);
  await mkdir(join(deps.paths.podLogs(pod), container.name), { recursive: true, mode: 0o755 });
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: image.id, userSpecifiedImage: container.image ?? "" },
    command: (container.command ?? []).map((word) => expand(word, lookup)),
    args: (container.args ?? []).map((word) => expand(word, lookup)),
    workingDir: container.workingDir ?? "",
    envs: [...env].map(([key, value]) => ({ key, value })),
    mounts: await containerMounts(request, lookup, deps),
    devices: await blockDevices(request),
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, restartCount),
    logPath: `${container.name}/${restartCount}.log`,
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: { resources: containerResources(pod, container, deps.memoryCapacity), securityContext },
  };
}

async function containerMounts(
  request: ContainerRequest,
  lookup: (name: string) => string | undefined,
  deps: ContainerConfigDeps,
): Promise<Mount[]> {
  const { pod, container } = request;
  const mounts: Mount[] = [];
  for (const mount of container.volumeMounts ?? []) mounts.push(await volumeMount(request, mount, lookup, deps));
  const taken = new Set(mounts.map((mount) => posix.normalize(mount.containerPath)));
  if (!taken.has("/etc/hosts")) mounts.push(plainMount("/etc/hosts", await writeHosts(request, deps)));
  const messagePath = container.terminationMessagePath ?? "/dev/termination-log";
  if (messagePath !== "") {
    mounts.push(
      plainMount(messagePath, await messageFile(deps.paths.container(pod.metadata.uid ?? "", container.name))),
    );
  }
  return mounts;
}

const PROPAGATION: Record<string, MountPropagation> = {
  None: "PROPAGATION_PRIVATE",
  HostToContainer: "PROPAGATION_HOST_TO_CONTAINER",
  Bidirectional: "PROPAGATION_BIDIRECTIONAL",
};

async function volumeMount(
  { pod, container, mounted }: ContainerRequest,
  mount: VolumeMount,
  lookup: (name: string) => string | undefined,
  deps: ContainerConfigDeps,
): Promise<Mount> {
  const volumeDir = mounted.get(mount.name);
  if (volumeDir === undefined)
    throw new ContainerConfigError(`cannot find volume "${mount.name}" to mount into container "${container.name}"`);
  const subPath = mount.subPathExpr ? expandStrictly(mount.subPathExpr, lookup) : (mount.subPath ?? "");
  let hostPath: string;
  try {
    hostPath = await deps.volumes.mountPath(pod, container, mount, volumeDir, subPath);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ContainerConfigError(
      `failed to prepare subPath for volumeMount "${mount.name}" of container "${container.name}": ${why}`,
    );
  }
  return {
    containerPath: posix.resolve("/", mount.mountPath),
    hostPath,
    // What the kubelet itself writes and refreshes is never the container's to change.
    readonly: (mount.readOnly ?? false) || isReadOnlyVolume(pod, mount.name),
    propagation: PROPAGATION[mount.mountPropagation ?? "None"] ?? "PROPAGATION_PRIVATE",
    ...(mount.recursiveReadOnly === "Enabled" ? { recursiveReadOnly: true } : {}),
  };
}

/** Volumes made of API objects, and those that the pod itself asks to be read-only. */
function isReadOnlyVolume(pod: Pod, volumeName: string): boolean {
  const volume = pod.spec?.volumes?.find(({ name }) => name === volumeName);
  if (volume?.configMap ?? volume?.secret ?? volume?.downwardAPI ?? volume?.projected) return true;
  return Boolean(volume?.persistentVolumeClaim?.readOnly || volume?.csi?.readOnly || volume?.nfs?.readOnly);
}

/** The devices behind the container's volumeDevices. */
async function blockDevices({ pod, container, mounted }: ContainerRequest): Promise<ContainerConfig["devices"]> {
  const devices: ContainerConfig["devices"] = [];
  for (const { name, devicePath } of container.volumeDevices ?? []) {
    const path = mounted.get(name);
    if (path === undefined)
      throw new ContainerConfigError(`cannot find volume "${name}" to pass into container "${container.name}"`);
    const permissions = isReadOnlyVolume(pod, name) ? "r" : "mrw";
    devices.push({ containerPath: devicePath, hostPath: await realpath(path), permissions });
  }
  return devices;
}

/** In a subPathExpr a variable that does not exist is an error, not text. */
function expandStrictly(text: string, lookup: (name: string) => string | undefined): string {
  return expand(text, (name) => {
    const value = lookup(name);
    if (value === undefined) throw new ContainerConfigError(`missing value for "${name}"`);
    return value;
  });
}

function plainMount(containerPath: string, hostPath: string): Mount {
  return { containerPath, hostPath, readonly: false, propagation: "PROPAGATION_PRIVATE" };
}

async function writeHosts({ pod, facts }: ContainerRequest, deps: ContainerConfigDeps): Promise<string> {
  const path = deps.paths.etcHosts(pod.metadata.uid ?? "");
  const aliases = pod.spec?.hostAliases ?? [];
  const text = pod.spec?.hostNetwork
    ? hostNetworkHosts(await readFile("/etc/hosts", "utf8").catch(() => ""), aliases)
    : podHosts({ ips: facts.podIps, aliases, ...podHostname(pod, deps.clusterDomain) });
  // Rewritten in place: running containers have this very file mounted.
  await writeFile(path, text, { mode: 0o644 });
  return path;
}

async function messageFile(dir: string): Promise<string> {
  await mkdir(dir, { recursive: true });
  const path = join(dir, randomBytes(4).toString("hex"));
  await writeFile(path, "");
  // Whatever user the container runs as may leave its last words.
  await chmod(path, 0o666);
  return path;
}

// The container's half of what the runtime is told: command, environment, mounts, resources, identity.
import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import type { MachineLimits } from "../cgroups/machine-limits.ts";
import { containerResources } from "../cgroups/resources.ts";
import type { ContainerConfig, Image, Mount } from "../cri/types.ts";
import { expandAll } from "../env/expand.ts";
import type { EnvContext } from "../env/make-env.ts";
import { makeEnv } from "../env/make-env.ts";
import type { PodPaths } from "../pod-paths.ts";
import { hostNetworkHosts, podHosts } from "./etc-hosts.ts";
import { containerAnnotations, containerLabels } from "./labels.ts";
import { podHostname } from "./sandbox-config.ts";
import { containerSecurityContext } from "./security-context.ts";
import type { VolumeMountDeps, VolumeMountRequest } from "./volume-mounts.ts";
import { blockDevices, volumeMounts } from "./volume-mounts.ts";

export interface ContainerConfigDeps extends VolumeMountDeps {
  readonly paths: PodPaths;
  readonly clusterDomain: string;
  readonly seccompRoot: string;
  /** Confine by the runtime's default profile whoever asks for none. */
  readonly seccompDefault: boolean;
  readonly limits: MachineLimits;
}

/** One container of one pod at one start; what does not change with the start is in the deps. */
export interface ContainerRequest extends EnvContext, Omit<VolumeMountRequest, "pod" | "container"> {
  readonly image: Image;
  readonly restartCount: number;
  /** The runtime's id of the container whose processes an ephemeral container shares. */
  readonly targetId?: string | undefined;
}

/** Throws ContainerConfigError for what only a change of the pod or its objects can repair. */
export async function containerConfig(request: ContainerRequest, deps: ContainerConfigDeps): Promise<ContainerConfig> {
  const { pod, container, image, restartCount, targetId } = request;
  const { stopSignal } = container.lifecycle ?? {};
  const { seccompRoot, seccompDefault } = deps;
  const securityContext = containerSecurityContext(pod, container, image, { seccompRoot, seccompDefault, targetId });
  const env = await makeEnv(request);
  const lookup = (name: string) => env.get(name);
  mkdirSync(join(deps.paths.podLogs(pod), container.name), { recursive: true, mode: 0o755 });
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: image.id, userSpecifiedImage: container.image ?? "" },
    command: expandAll(container.command ?? [], lookup),
    args: expandAll(container.args ?? [], lookup),
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
    // A runtime that does not know it goes on with the image's, and its status then says nothing, as upstream.
    ...(stopSignal ? { stopSignal } : {}),
    linux: { resources: containerResources(pod, container, deps.limits), securityContext },
  };
}

async function containerMounts(
  request: ContainerRequest,
  lookup: (name: string) => string | undefined,
  deps: ContainerConfigDeps,
): Promise<Mount[]> {
  const { pod, container } = request;
  const mounts = await volumeMounts(request, lookup, deps);
  // A pod that mounts its own file there keeps it.
  const taken = new Set(mounts.map((mount) => posix.normalize(mount.containerPath)));
  const relabels = await deps.volumes.relabels(pod);
  if (!taken.has("/etc/hosts")) mounts.push(plainMount("/etc/hosts", await writeHosts(request, deps), relabels));
  const messagePath = container.terminationMessagePath ?? "/dev/termination-log";
  if (messagePath !== "") {
    const file = messageFile(deps.paths.container(pod.metadata.uid ?? "", container.name));
    mounts.push(plainMount(messagePath, file, relabels));
  }
  return mounts;
}

function plainMount(containerPath: string, hostPath: string, relabels: boolean): Mount {
  const plain: Mount = { containerPath, hostPath, readonly: false, propagation: "PROPAGATION_PRIVATE" };
  return relabels ? { ...plain, selinuxRelabel: true } : plain;
}

async function writeHosts({ pod, facts }: ContainerRequest, deps: ContainerConfigDeps): Promise<string> {
  const path = deps.paths.etcHosts(pod.metadata.uid ?? "");
  const aliases = pod.spec?.hostAliases ?? [];
  const text = pod.spec?.hostNetwork
    ? hostNetworkHosts(await readFile("/etc/hosts", "utf8").catch(() => ""), aliases)
    : podHosts({ ips: facts.podIps, aliases, ...podHostname(pod, deps.clusterDomain) });
  // Rewritten in place: running containers have this very file mounted.
  writeFileSync(path, text, { mode: 0o644 });
  return path;
}

function messageFile(dir: string): string {
  mkdirSync(dir, { recursive: true });
  // A new name for each start, so that the last container's words can still be read.
  const path = join(dir, randomBytes(4).toString("hex"));
  writeFileSync(path, "");
  // Whatever user the container runs as may leave its last words.
  chmodSync(path, 0o666);
  return path;
}

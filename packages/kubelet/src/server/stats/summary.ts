// /stats/summary: node and pods with CPU, memory, file systems and network, in upstream's shape (stats/v1alpha1).
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { FilesystemUsage } from "../../cri/types.ts";
import type { KubeletServerDeps, KubeletServerOptions } from "../deps.ts";
import type { CpuRates } from "./cpu-rates.ts";
import type { FsStats } from "./fs-stats.ts";
import { folderUsage, fsStats } from "./fs-stats.ts";
import type { ProcessLimits } from "./kernel-files.ts";
import { parseProcessLimits } from "./kernel-files.ts";
import type { InterfaceStats } from "./net-dev.ts";
import { parseNetDev } from "./net-dev.ts";
import { podNetwork } from "./pod-network.ts";
import type { PodVolumes } from "./pod-volumes.ts";
import type { ContainerUsage, NodeUsage, PodUsage, Usage } from "./usage.ts";
import { cgroupUsage } from "./usage.ts";

type Deps = Pick<KubeletServerDeps, "cri" | "clock" | "log" | "runtime" | "cgroups" | "podCgroups">;
type Options = Pick<KubeletServerOptions, "nodeName" | "podLogDir" | "rootDir" | "systemCgroups">;

/** The whole answer. With `cpuAndMemoryOnly`, as metrics-server asks, no disk and no network is looked at. */
export async function summarize(
  options: Options,
  usage: NodeUsage,
  { rates, volumes }: { readonly rates: CpuRates; readonly volumes: PodVolumes },
  { cpuAndMemoryOnly }: { readonly cpuAndMemoryOnly: boolean },
  deps: Deps,
): Promise<object> {
  const keys = new Set<string>();
  const figures = (key: string, of: Usage) => {
    keys.add(key);
    return cpuAndMemory(key, of, rates);
  };
  const timeMs = deps.clock.now();
  const disk = cpuAndMemoryOnly ? undefined : await readDisk(options, timeMs, deps);
  const startTime = await bootTime();
  const systemContainers = await readSystemContainers(options.systemCgroups ?? {}, startTime, figures, deps);
  const node = { nodeName: options.nodeName, systemContainers, startTime, ...figures("node", usage) };
  const extra = disk ? { network: await readNetwork(timeMs), fs: disk.node, runtime: { imageFs: disk.images } } : {};
  const rlimit = disk ? { rlimit: { time: disk.time, ...(await readProcessLimits()) } } : {};
  const sandboxes = disk ? await readySandboxes(deps) : new Map<string, string>();
  const pods = await Promise.all(
    usage.pods.map(async (pod) => ({
      ...(await podStats(pod, figures, options, disk)),
      ...(disk ? await networkAndVolumes(pod, sandboxes, volumes, disk.time, deps) : {}),
    })),
  );
  rates.retain(keys);
  volumes.retain(new Set(usage.pods.map(({ pod }) => pod.metadata.uid ?? "")));
  return { node: { ...node, ...extra, ...rlimit }, pods };
}

/**
 * All pods together, and what else the configuration names: cgroups without a pod. The kernel does not tell when a cgroup
 * was made, so the machine's start stands for theirs.
 */
async function readSystemContainers(
  named: Readonly<Record<string, string>>,
  startTime: string,
  figures: Figures,
  deps: Deps,
): Promise<object[]> {
  const all = Object.entries({ ...named, pods: deps.podCgroups.kubepods });
  const read = all.map(async ([name, path]) => {
    return { name, startTime, ...figures(`system/${name}`, await cgroupUsage(path, deps)) };
  });
  return Promise.all(read);
}

async function readProcessLimits(): Promise<ProcessLimits> {
  const files = ["/proc/loadavg", "/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"];
  const [loadavg = "", ...limits] = await Promise.all(files.map((file) => readFile(file, "utf8")));
  return parseProcessLimits(loadavg, ...limits);
}

/** Pod UID → the id of its sandbox. */
async function readySandboxes({ runtime }: Deps): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const [uid, { sandboxes }] of await runtime.list()) {
    const ready = sandboxes.find(({ state }) => state === "SANDBOX_READY");
    if (ready) found.set(uid, ready.id);
  }
  return found;
}

async function networkAndVolumes(
  { pod }: PodUsage,
  sandboxes: ReadonlyMap<string, string>,
  volumes: PodVolumes,
  time: string,
  { cgroups, podCgroups }: Deps,
): Promise<object> {
  const sandbox = sandboxes.get(pod.metadata.uid ?? "");
  // With the host's network its traffic is the node's.
  const counted = sandbox && !pod.spec?.hostNetwork;
  const interfaces = counted ? (await podNetwork(podCgroups.containerPath(pod, sandbox), cgroups)).map(statsOf) : [];
  const main = interfaces.find(({ name }) => name === "eth0") ?? interfaces[0];
  const volume = await volumes.stats(pod, time);
  return {
    ...(main ? { network: { time, ...main, interfaces } } : {}),
    ...(volume.length > 0 ? { volume } : {}),
    process_stats: { process_count: await cgroups.countProcesses(podCgroups.path(pod)) },
  };
}

function statsOf({ name, rxBytes, rxErrors, txBytes, txErrors }: InterfaceStats): InterfaceStats {
  return { name, rxBytes, rxErrors, txBytes, txErrors };
}

/** File systems of the node and of images, read once for all pods. */
interface Disk {
  readonly node: FsStats;
  readonly images: FsStats;
  readonly time: string;
}

async function readDisk({ rootDir = "/" }: Options, timeMs: number, { cri, log }: Deps): Promise<Disk> {
  const time = formatTime(timeMs);
  const [image] = await cri.imageFsInfo().catch((error) => {
    log.warn({ err: error }, "the runtime does not tell its image file system");
    return [];
  });
  const images = await fsStats(image?.fsId?.mountpoint ?? rootDir, time);
  return { node: await fsStats(rootDir, time), images: { ...images, ...usedOf(image) }, time };
}

function usedOf(usage: FilesystemUsage | undefined): { usedBytes?: number; inodesUsed?: number } {
  return {
    ...(usage?.usedBytes ? { usedBytes: Number(usage.usedBytes.value) } : {}),
    ...(usage?.inodesUsed ? { inodesUsed: Number(usage.inodesUsed.value) } : {}),
  };
}

type Figures = (key: string, of: Usage) => object;

async function podStats(usage: PodUsage, figures: Figures, options: Options, disk: Disk | undefined): Promise<object> {
  const { name = "", namespace = "", uid = "" } = usage.pod.metadata;
  const logs = join(options.podLogDir, `${namespace}_${name}_${uid}`);
  const containers = await Promise.all(
    usage.containers.map(async (container) => ({
      name: container.name,
      startTime: formatTime(container.startedAtMs),
      ...figures(`${uid}/${container.name}`, container),
      ...(disk ? await containerDisk(container, join(logs, container.name), disk) : {}),
    })),
  );
  return {
    podRef: { name, namespace, uid },
    startTime: usage.pod.status?.startTime ?? null,
    containers,
    ...figures(uid, usage),
    ...(disk ? { "ephemeral-storage": ephemeral(containers, disk) } : {}),
  };
}

async function containerDisk(container: ContainerUsage, logs: string, disk: Disk) {
  return {
    rootfs: { ...disk.images, usedBytes: 0, ...usedOf(container.writableLayer) },
    logs: { ...disk.node, ...(await folderUsage(logs)) },
  };
}

/** Of a pod: writable layers and logs of its containers. */
function ephemeral(containers: readonly object[], disk: Disk): FsStats {
  let usedBytes = 0;
  let inodesUsed = 0;
  for (const container of containers as readonly Partial<Record<"rootfs" | "logs", FsStats>>[]) {
    for (const part of [container.rootfs, container.logs]) {
      usedBytes += part?.usedBytes ?? 0;
      inodesUsed += part?.inodesUsed ?? 0;
    }
  }
  return { ...disk.node, usedBytes, inodesUsed };
}

/** The rate is left out at the first look, when there is nothing to take it from. */
function cpuAndMemory(key: string, { timeMs, cpuNanos, memory, swap }: Usage, rates: CpuRates): object {
  const time = formatTime(timeMs);
  const held = { ...(memory ? { memory: { time, ...memory } } : {}), ...(swap ? { swap: { time, ...swap } } : {}) };
  if (cpuNanos === undefined) return held;
  const usageNanoCores = rates.rate(key, timeMs, cpuNanos);
  return {
    cpu: { time, ...(usageNanoCores === undefined ? {} : { usageNanoCores }), usageCoreNanoSeconds: cpuNanos },
    ...held,
  };
}

/** The node's startTime is that of the machine. */
async function bootTime(): Promise<string> {
  const stat = await readFile("/proc/stat", "utf8");
  return formatTime(Number(stat.match(/^btime (\d+)/m)?.[1] ?? 0) * 1000);
}

async function readNetwork(timeMs: number): Promise<object> {
  // The kubelet lives in its node's network namespace, so these are the node's interfaces.
  const interfaces = parseNetDev(await readFile("/proc/self/net/dev", "utf8"));
  const main = interfaces.find(({ name }) => name === "eth0") ?? interfaces[0];
  return { time: formatTime(timeMs), ...main, interfaces };
}

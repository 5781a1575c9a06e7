// What the node, its pods and their containers use right now, from the runtime and the kernel.
import { readFile } from "node:fs/promises";
import type { Pod } from "@skiff/api/types.ts";
import type { ContainerStats, FilesystemUsage } from "../../cri/types.ts";
import { millisOf } from "../../cri/types.ts";
import { LABEL } from "../../runtime/labels.ts";
import type { KubeletServerDeps } from "../deps.ts";
import type { MemoryUsage, SwapUsage } from "./kernel-files.ts";
import { parseCpuStat, parseMachineSwap, parseMeminfo, parseMemoryStat, parseSwap } from "./kernel-files.ts";

/** CPU time since the start in nanoseconds, memory in bytes, both at `timeMs` since the epoch. */
export interface Usage {
  readonly timeMs: number;
  readonly cpuNanos?: number | undefined;
  readonly memory?: MemoryUsage | undefined;
  /** Kept per cgroup by version 2 alone, and looked at where the machine has some. */
  readonly swap?: SwapUsage | undefined;
}

/** By the runtime's account; `startedAtMs` is 0 where it is not known. */
export interface ContainerUsage extends Usage {
  readonly name: string;
  readonly startedAtMs: number;
  readonly writableLayer: FilesystemUsage | undefined;
}

/** By the pod's cgroup, so more than the sum of its containers: the sandbox and memory volumes count too. */
export interface PodUsage extends Usage {
  readonly pod: Readonly<Pod>;
  readonly containers: readonly ContainerUsage[];
}

/** The whole machine, with processes that are in no pod. */
export interface NodeUsage extends Usage {
  readonly pods: readonly PodUsage[];
}

type Deps = Pick<KubeletServerDeps, "pods" | "cri" | "runtime" | "cgroups" | "podCgroups" | "clock">;

/** Everything at one moment, as far as that goes. Pods without a running container are left out, as upstream. */
export async function readUsage(deps: Deps): Promise<NodeUsage> {
  const [stats, started, node] = await Promise.all([deps.cri.listContainerStats(), startTimes(deps), nodeUsage(deps)]);
  const swapOf = swapReader(node, deps.cgroups);
  const byPod = Map.groupBy(newestAttempts(stats), (one) => one.attributes?.labels[LABEL.podUid] ?? "");
  const pods = await Promise.all(
    deps.pods.list().map(async (pod) => {
      const path = deps.podCgroups.path(pod);
      const all = await Promise.all(
        (byPod.get(pod.metadata.uid ?? "") ?? []).map(async (one) => ({
          ...containerUsage(one, started),
          ...(await swapOf(deps.podCgroups.containerPath(pod, one.attributes?.id ?? ""))),
        })),
      );
      // What has exited is still listed, without figures.
      const containers = all.filter(({ cpuNanos, memory }) => cpuNanos !== undefined || memory !== undefined);
      return { ...(await cgroupUsage(path, deps)), ...(await swapOf(path)), pod, containers };
    }),
  );
  return { ...node, pods: pods.filter(({ containers }) => containers.length > 0) };
}

async function startTimes({ runtime }: Pick<Deps, "runtime">): Promise<Map<string, number>> {
  const pods = [...(await runtime.list()).values()];
  return new Map(pods.flatMap(({ containers }) => containers.map(({ id, createdAt }) => [id, millisOf(createdAt)])));
}

/** A restarted container may still be listed with its former attempts. */
function newestAttempts(stats: readonly ContainerStats[]): ContainerStats[] {
  const newest = new Map<string, ContainerStats>();
  for (const one of stats) {
    const labels = one.attributes?.labels;
    if (!labels?.[LABEL.podUid] || !labels[LABEL.containerName]) continue;
    const key = `${labels[LABEL.podUid]}/${labels[LABEL.containerName]}`;
    const known = newest.get(key)?.attributes?.metadata?.attempt ?? -1;
    if ((one.attributes?.metadata?.attempt ?? 0) > known) newest.set(key, one);
  }
  return [...newest.values()];
}

function containerUsage(stats: ContainerStats, started: ReadonlyMap<string, number>): ContainerUsage {
  const { attributes, cpu, memory, writableLayer } = stats;
  const workingSet = bytesOf(memory?.workingSetBytes);
  const pageFaults = bytesOf(memory?.pageFaults);
  return {
    name: attributes?.labels[LABEL.containerName] ?? "",
    startedAtMs: started.get(attributes?.id ?? "") ?? 0,
    timeMs: millisOf(cpu?.timestamp ?? memory?.timestamp ?? "0"),
    cpuNanos: bytesOf(cpu?.usageCoreNanoSeconds),
    memory:
      workingSet === undefined
        ? undefined
        : {
            workingSetBytes: workingSet,
            usageBytes: bytesOf(memory?.usageBytes),
            rssBytes: bytesOf(memory?.rssBytes),
            availableBytes: bytesOf(memory?.availableBytes),
            pageFaults,
            // None of them major is a figure, where faults are counted at all.
            majorPageFaults: pageFaults === undefined ? undefined : Number(memory?.majorPageFaults?.value ?? 0),
          },
    writableLayer: writableLayer ?? undefined,
  };
}

/** The runtime leaves fields out, or fills in zeros, where it has no figure. */
function bytesOf(field: { value: string } | null | undefined): number | undefined {
  return field && field.value !== "0" ? Number(field.value) : undefined;
}

/** Of a cgroup with all below it; nothing but the time where it is not there. */
export async function cgroupUsage(path: string, deps: Pick<Deps, "cgroups" | "clock">): Promise<Usage> {
  const { cgroups, clock } = deps;
  const [usageFile, limitFile] = cgroups.isUnified
    ? ["memory.current", "memory.max"]
    : ["memory.usage_in_bytes", "memory.limit_in_bytes"];
  const [cpuNanos, usage, stat, limit] = await Promise.all([
    cpuTime(path, cgroups),
    cgroups.read("memory", path, usageFile),
    cgroups.read("memory", path, "memory.stat"),
    cgroups.read("memory", path, limitFile),
  ]);
  const memory = usage !== undefined && stat !== undefined ? parseMemoryStat(Number(usage), stat, limit) : undefined;
  return { timeMs: clock.now(), cpuNanos, memory };
}

async function cpuTime(path: string, cgroups: Deps["cgroups"]): Promise<number | undefined> {
  const file = cgroups.isUnified ? "cpu.stat" : "cpuacct.usage";
  const text = await cgroups.read(cgroups.isUnified ? "cpu" : "cpuacct", path, file);
  if (text === undefined) return undefined;
  return cgroups.isUnified ? parseCpuStat(text) : Number(text);
}

async function nodeUsage({ cgroups, clock }: Pick<Deps, "cgroups" | "clock">): Promise<Usage> {
  const [cpuNanos, meminfo, vmstat] = await Promise.all([
    cpuTime("/", cgroups),
    readFile("/proc/meminfo", "utf8"),
    readFile("/proc/vmstat", "utf8"),
  ]);
  // The root of version 2 has no memory files, so both versions read the kernel's own account.
  return { timeMs: clock.now(), cpuNanos, memory: parseMeminfo(meminfo, vmstat), swap: parseMachineSwap(meminfo) };
}

/** Reads a cgroup's swap. On a machine without any nobody uses some, which needs no look at two more files each. */
function swapReader({ swap }: Usage, cgroups: Deps["cgroups"]) {
  const hasSome = (swap?.swapUsageBytes ?? 0) + (swap?.swapAvailableBytes ?? 0) > 0;
  return async (path: string): Promise<Pick<Usage, "swap">> => {
    if (!cgroups.isUnified) return {};
    if (!hasSome) return { swap: { swapUsageBytes: 0 } };
    const files = ["memory.swap.current", "memory.swap.max"].map((file) => cgroups.read("memory", path, file));
    const [current, max] = await Promise.all(files);
    const found = parseSwap(current, max);
    return found ? { swap: found } : {};
  };
}

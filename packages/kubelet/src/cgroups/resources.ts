// Requests and limits as the kernel takes them: CPU shares, quota, memory bytes, OOM score. Pure.

import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import { podQos } from "@skiff/api/scheduling/qos.ts";
import { containerLimit, hasPodLevelResources, podLimits, podRequests } from "@skiff/api/scheduling/resources.ts";
import type { Container, Pod } from "@skiff/api/types.ts";
import type { LinuxContainerResources } from "../cri/types.ts";
import { isCriticalPod } from "../static-pods/annotations.ts";
import type { CpuQuotas } from "./cpu-quotas.ts";
import { NO_QUOTA, QUOTAS_FOR_ALL } from "./cpu-quotas.ts";
import type { MachineLimits, SwapLimits } from "./machine-limits.ts";
import { oomScoreAdjust } from "./oom-score.ts";

/** The kernel's bounds of `cpu.shares`. */
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;
/** The period of CPU quotas, 100 ms: a limit of half a CPU is 50 ms of each. */
export const CPU_PERIOD_US = 100_000;
/** The kernel takes no quota below 1 ms. */
const MIN_QUOTA_US = 1000;

/**
 * 1024 shares for each CPU asked for, within the kernel's bounds. Shares count only against others when CPU is short.
 */
export function milliCpuToShares(milli: number): number {
  if (milli === 0) return MIN_SHARES;
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milli * 1024) / 1000)));
}

/** Microseconds of CPU per period; 0 for no limit. */
function milliCpuToQuota(milli: number): number {
  return milli === 0 ? 0 : Math.max(MIN_QUOTA_US, Math.floor((milli * CPU_PERIOD_US) / 1000));
}

/**
 * cgroup v2's weight of the same meaning as v1's shares. Smallest, largest and default values of both meet: the curve's
 * exponent of ten is a parabola through these three, over the binary logarithm of the shares. On a straight line one
 * processor's request weighed 39, and system services, which weigh 100, went before the pods.
 */
export function sharesToWeight(shares: number): number {
  if (shares <= MIN_SHARES) return 1;
  if (shares >= MAX_SHARES) return 10_000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/**
 * What the runtime is told for one container. `unified` holds settings that only cgroup v2 has, by the names of its
 * files.
 */
export function containerResources(pod: Pod, container: Container, machine: MachineLimits): LinuxContainerResources {
  const { memoryBytes, hugePageSizes, swap, endsWhole } = machine;
  const memoryLimit = containerLimit(pod, container, "memory");
  const unified = {
    ...(endsWhole ? { "memory.oom.group": "1" } : {}),
    ...(swap ? { "memory.swap.max": String(swapLimit(pod, container, memoryBytes, swap)) } : {}),
  };
  return {
    ...containerCpu(pod, container, machine.quotas),
    ...(memoryLimit ? { memoryLimitInBytes: quantityValue(memoryLimit) } : {}),
    oomScoreAdj: oomScoreAdjust(pod, container, memoryBytes),
    ...(hugePageSizes.length > 0 ? { hugepageLimits: hugePageLimits(pod, container, hugePageSizes) } : {}),
    ...(Object.keys(unified).length > 0 ? { unified } : {}),
  };
}

/** Of sizes that neither the container nor its pod as a whole asks for, it gets none. */
function hugePageLimits(pod: Pod, container: Container, sizes: readonly string[]) {
  return sizes.map((size) => ({
    pageSize: kernelPageSize(size),
    limit: quantityValue(containerLimit(pod, container, `hugepages-${size}`) ?? "0"),
  }));
}

/** `2Mi` as the kernel's hugetlb files call it: `2MB`. */
export function kernelPageSize(size: string): string {
  return size.replace(/i$/, "B");
}

/** Bytes: a burstable pod's container gets of the swap what it asks for of the memory, as upstream. */
function swapLimit(pod: Pod, { resources }: Container, memoryBytes: number, { behavior, bytes }: SwapLimits): number {
  const request = resources?.requests?.memory ? quantityValue(resources.requests.memory) : 0;
  const limit = resources?.limits?.memory ? quantityValue(resources.limits.memory) : 0;
  if (behavior === "NoSwap" || podQos(pod) !== "Burstable" || isCriticalPod(pod)) return 0;
  // Whoever asks for as much as it may use is not to be slowed down by swap.
  if (request === 0 || request === limit) return 0;
  return Math.floor((request / memoryBytes) * bytes);
}

/** Of a container, or of a pod's sandbox as a whole. */
export interface Amounts {
  /** CPU in thousandths; 0 for no limit. */
  readonly cpuRequest: number;
  readonly cpuLimit: number;
  /** 0 for no limit. */
  readonly memoryLimit: number;
}

/** In the form of the CRI; memory in bytes. With `isFree` the CPU is as much as there is, whatever the limit. */
export function linuxResources(
  { cpuRequest, cpuLimit, memoryLimit }: Amounts,
  { isOn, isFree }: { readonly isOn: boolean; readonly isFree: boolean },
): LinuxContainerResources {
  const quota = isFree ? NO_QUOTA : milliCpuToQuota(cpuLimit);
  return {
    cpuShares: milliCpuToShares(cpuRequest),
    ...(isOn && quota !== 0 ? { cpuQuota: quota, cpuPeriod: CPU_PERIOD_US } : {}),
    ...(memoryLimit > 0 ? { memoryLimitInBytes: memoryLimit } : {}),
  };
}

/** The CPU part alone, which a resize in place writes by itself. */
export function containerCpu(
  pod: Pod,
  container: Container,
  quotas: CpuQuotas = QUOTAS_FOR_ALL,
): LinuxContainerResources {
  const { requests = {} } = container.resources ?? {};
  const milli = (amount: string | undefined) => (amount ? quantityMilliValue(amount) : 0);
  const limit = containerLimit(pod, container, "cpu");
  return linuxResources(
    // Without a request the limit stands in for it.
    { cpuRequest: milli(requests.cpu ?? limit), cpuLimit: milli(limit), memoryLimit: 0 },
    { isOn: quotas.isOn, isFree: quotas.hasOwnCpus(pod, container.name) },
  );
}

/** What a cgroup of the kubelet's own is set to; absent means no limit. */
export interface CgroupLimits {
  readonly cpuShares?: number;
  /** Microseconds of each period; NO_QUOTA takes away what was set. */
  readonly cpuQuotaUs?: number;
  readonly memoryBytes?: number;
  readonly pids?: number;
  /** Page size such as `2Mi` → bytes. */
  readonly hugePages?: Readonly<Record<string, number>>;
}

/** The node's part in the limits of a pod's cgroup. */
export interface PodLimitOptions {
  /** Processes per pod; 0 or less for no limit. */
  readonly podPidsLimit: number;
  /** Those that the kernel limits. */
  readonly hugePageSizes?: readonly string[];
  readonly quotas?: CpuQuotas | undefined;
}

/** The pod's cgroup: requests as shares; limits where every container has one, or the pod as a whole. */
export function podCgroupLimits(
  pod: Pod,
  { podPidsLimit, hugePageSizes = [], quotas = QUOTAS_FOR_ALL }: PodLimitOptions,
): CgroupLimits {
  const pages = hugePageSizes.map((size) => [size, podLimits(pod)[`hugepages-${size}`] ?? 0]);
  const requests = podRequests(pod);
  const limits = podLimits(pod);
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])];
  const own = hasPodLevelResources(pod) ? pod.spec.resources?.limits : undefined;
  const isLimited = (name: string) =>
    quantityMilliValue(own?.[name] ?? "0") > 0 ||
    containers.every((container) => quantityMilliValue(container.resources?.limits?.[name] ?? "0") > 0);
  const isFree = !quotas.isOn || quotas.hasOwnCpus(pod);
  const qos = podQos(pod);
  return {
    cpuShares: qos === "BestEffort" ? MIN_SHARES : milliCpuToShares(requests.cpu ?? limits.cpu ?? 0),
    ...(isLimited("cpu") && limits.cpu ? { cpuQuotaUs: isFree ? NO_QUOTA : milliCpuToQuota(limits.cpu) } : {}),
    ...(isLimited("memory") && limits.memory ? { memoryBytes: limits.memory } : {}),
    ...(podPidsLimit > 0 ? { pids: podPidsLimit } : {}),
    ...(pages.length > 0 ? { hugePages: Object.fromEntries(pages) } : {}),
  };
}

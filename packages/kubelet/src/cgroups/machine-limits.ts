// What of the machine the limits of containers are worked out from.
import type { Settings } from "../configuration/fields.ts";
import type { MachineInfo } from "../node/machine-info.ts";
import type { CgroupFs } from "./cgroup-fs.ts";
import type { CpuQuotas } from "./cpu-quotas.ts";

/** The same for all containers of the node. */
export interface MachineLimits {
  readonly memoryBytes: number;
  /** Sizes such as `2Mi` that the kernel limits per container; empty without its hugetlb controller. */
  readonly hugePageSizes: readonly string[];
  /** Undefined where there is no swap, or no means to limit it per container. */
  readonly swap: SwapLimits | undefined;
  /** A container that runs out of memory ends with all its processes: half of one is nobody's idea of health. */
  readonly endsWhole?: boolean;
  /** Absent: whoever has a limit on CPU has a quota. */
  readonly quotas?: CpuQuotas;
}

/** The node's swap in bytes, and whether Burstable pods get a share of it in proportion to their memory requests. */
export interface SwapLimits {
  readonly behavior: "NoSwap" | "LimitedSwap";
  readonly bytes: number;
}

/** Worked out once at the start: neither memory nor the cgroup version changes while the machine runs. */
export function machineLimits(
  settings: Settings,
  { memoryBytes, hugePages, system }: MachineInfo,
  cgroups: Pick<CgroupFs, "has" | "isUnified">,
  hasOwnCpus: CpuQuotas["hasOwnCpus"],
): MachineLimits {
  const bytes = system.swap?.capacity ?? 0;
  const behavior = settings["memorySwap.swapBehavior"] === "LimitedSwap" ? "LimitedSwap" : "NoSwap";
  return {
    memoryBytes,
    hugePageSizes: cgroups.has("hugetlb") ? [...hugePages.keys()] : [],
    // As upstream: only version 2 tells swap from memory.
    swap: bytes > 0 && cgroups.isUnified ? { behavior, bytes } : undefined,
    endsWhole: endsWhole(settings.singleProcessOOMKill, cgroups.isUnified),
    quotas: { isOn: settings.cpuCFSQuota, hasOwnCpus },
  };
}

/** Throws upstream's words for a wish that cgroup v1 cannot fulfil. */
export function endsWhole(singleProcess: boolean | undefined, isUnified: boolean): boolean {
  if (!isUnified && singleProcess === false) {
    const what = "singleProcessOOMKill must not be explicitly set to false when using cgroup v1";
    throw new Error(`invalid configuration: ${what}`);
  }
  return isUnified && !singleProcess;
}

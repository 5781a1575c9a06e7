// Reads the kernel's accounts of CPU time and memory. Pure.

/** Bytes, and counts of page faults; absent where there is no figure. */
export interface MemoryUsage {
  readonly workingSetBytes: number;
  readonly availableBytes?: number | undefined;
  readonly usageBytes?: number | undefined;
  readonly rssBytes?: number | undefined;
  readonly pageFaults?: number | undefined;
  readonly majorPageFaults?: number | undefined;
}

/** Nanoseconds of CPU time in a version 2 `cpu.stat`. */
export function parseCpuStat(text: string): number | undefined {
  const micros = text.match(/^usage_usec (\d+)/m)?.[1];
  return micros === undefined ? undefined : Number(micros) * 1000;
}

/** Version 1 writes a number near this where there is no limit; version 2 writes `max`. */
const NO_LIMIT = 2 ** 62;

/**
 * A `memory.stat` of either version. Working set: what cannot be dropped at once, the inactive file cache left out. There is
 * memory left to tell of where `limit`, the text of the limit's file, is one.
 */
export function parseMemoryStat(usageBytes: number, stat: string, limit = ""): MemoryUsage {
  const figure = (name: string) => countOf(stat.match(new RegExp(`^${name} (\\d+)`, "m"))?.[1]);
  const inactiveFile = figure("total_inactive_file") ?? figure("inactive_file") ?? 0;
  const workingSetBytes = Math.max(0, usageBytes - inactiveFile);
  const limitBytes = countOf(limit.trim()) ?? NO_LIMIT;
  return {
    usageBytes,
    workingSetBytes,
    availableBytes: limitBytes < NO_LIMIT ? Math.max(0, limitBytes - workingSetBytes) : undefined,
    rssBytes: figure("total_rss") ?? figure("anon"),
    pageFaults: figure("total_pgfault") ?? figure("pgfault"),
    majorPageFaults: figure("total_pgmajfault") ?? figure("pgmajfault"),
  };
}

/** The whole machine's memory from /proc/meminfo, with the page faults of /proc/vmstat. */
export function parseMeminfo(text: string, vmstat = ""): MemoryUsage {
  const bytes = (name: string) =>
    Number(text.match(new RegExp(`^${name.replace(/[()]/g, "\\$&")}:\\s+(\\d+) kB`, "m"))?.[1] ?? 0) * 1024;
  const total = bytes("MemTotal");
  const usageBytes = total - bytes("MemFree");
  const workingSetBytes = Math.max(0, usageBytes - bytes("Inactive(file)"));
  const faults = (name: string) => countOf(vmstat.match(new RegExp(`^${name} (\\d+)`, "m"))?.[1]);
  return {
    usageBytes,
    workingSetBytes,
    availableBytes: total - workingSetBytes,
    rssBytes: bytes("AnonPages"),
    pageFaults: faults("pgfault"),
    majorPageFaults: faults("pgmajfault"),
  };
}

/** Bytes; what is left is not told where nothing limits it. */
export interface SwapUsage {
  readonly swapUsageBytes: number;
  readonly swapAvailableBytes?: number | undefined;
}

/** Of the texts of version 2's `memory.swap.current` and `memory.swap.max`; undefined where the kernel keeps no such account. */
export function parseSwap(current: string | undefined, max = ""): SwapUsage | undefined {
  const swapUsageBytes = countOf(current?.trim());
  if (swapUsageBytes === undefined) return undefined;
  const limit = countOf(max.trim());
  return {
    swapUsageBytes,
    ...(limit === undefined ? {} : { swapAvailableBytes: Math.max(0, limit - swapUsageBytes) }),
  };
}

/** The whole machine's from /proc/meminfo. */
export function parseMachineSwap(meminfo: string): SwapUsage & { readonly swapAvailableBytes: number } {
  const bytes = (name: string) => Number(meminfo.match(new RegExp(`^${name}:\\s+(\\d+) kB`, "m"))?.[1] ?? 0) * 1024;
  const swapAvailableBytes = bytes("SwapFree");
  return { swapUsageBytes: bytes("SwapTotal") - swapAvailableBytes, swapAvailableBytes };
}

/** Process ids of the machine: how many there may be, and how many of them are in use, threads included. */
export interface ProcessLimits {
  readonly maxpid?: number | undefined;
  readonly curproc?: number | undefined;
}

/** From /proc/loadavg (`0.1 0.2 0.3 2/345 6789`), /proc/sys/kernel/pid_max and threads-max: the lower limit holds. */
export function parseProcessLimits(loadavg: string, ...limits: readonly string[]): ProcessLimits {
  const known = limits.map((text) => countOf(text.trim())).filter((limit) => limit !== undefined);
  return {
    maxpid: known.length > 0 ? Math.min(...known) : undefined,
    curproc: countOf(loadavg.match(/\d+\/(\d+)/)?.[1]),
  };
}

function countOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

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

/** A `memory.stat` of either version. Working set: what cannot be dropped at once, the inactive file cache left out. */
export function parseMemoryStat(usageBytes: number, stat: string): MemoryUsage {
  const figure = (name: string) => {
    const text = stat.match(new RegExp(`^${name} (\\d+)`, "m"))?.[1];
    return text === undefined ? undefined : Number(text);
  };
  const inactiveFile = figure("total_inactive_file") ?? figure("inactive_file") ?? 0;
  return {
    usageBytes,
    workingSetBytes: Math.max(0, usageBytes - inactiveFile),
    rssBytes: figure("total_rss") ?? figure("anon"),
    pageFaults: figure("total_pgfault") ?? figure("pgfault"),
    majorPageFaults: figure("total_pgmajfault") ?? figure("pgmajfault"),
  };
}

/** The whole machine's memory from /proc/meminfo. */
export function parseMeminfo(text: string): MemoryUsage {
  const bytes = (name: string) =>
    Number(text.match(new RegExp(`^${name.replace(/[()]/g, "\\$&")}:\\s+(\\d+) kB`, "m"))?.[1] ?? 0) * 1024;
  const total = bytes("MemTotal");
  const usageBytes = total - bytes("MemFree");
  const workingSetBytes = Math.max(0, usageBytes - bytes("Inactive(file)"));
  return { usageBytes, workingSetBytes, availableBytes: total - workingSetBytes, rssBytes: bytes("AnonPages") };
}

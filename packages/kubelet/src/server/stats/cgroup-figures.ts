// All figures of one cgroup that monitors ask for, from either version's files.
import type { KubeletServerDeps } from "../deps.ts";
import { parseMemoryStat } from "./kernel-files.ts";

/** Seconds, bytes and counts; undefined where the kernel has no such figure. */
export interface CgroupFigures {
  readonly cpu: {
    readonly total?: number | undefined;
    readonly user?: number | undefined;
    readonly system?: number | undefined;
    readonly periods?: number | undefined;
    readonly throttledPeriods?: number | undefined;
    readonly throttled?: number | undefined;
    readonly shares?: number | undefined;
    readonly quota?: number | undefined;
    readonly period?: number | undefined;
  };
  readonly memory: {
    readonly usage?: number | undefined;
    readonly workingSet?: number | undefined;
    readonly rss?: number | undefined;
    readonly cache?: number | undefined;
    readonly swap?: number | undefined;
    readonly mapped?: number | undefined;
    readonly peak?: number | undefined;
    readonly limit?: number | undefined;
    readonly failures?: number | undefined;
    readonly pageFaults?: number | undefined;
    readonly majorPageFaults?: number | undefined;
  };
  readonly processes?: number | undefined;
  readonly oomKills?: number | undefined;
}

/** USER_HZ, which Linux fixes at this for all that it shows. */
const TICKS_PER_SECOND = 100;
/** Version 1 writes a number near this where there is no limit. */
const NO_LIMIT = 2 ** 62;

type Cgroups = Pick<KubeletServerDeps["cgroups"], "read" | "isUnified">;

/** In the same units from either version. */
export async function cgroupFigures(path: string, cgroups: Cgroups): Promise<CgroupFigures> {
  return cgroups.isUnified ? figuresV2(path, cgroups) : figuresV1(path, cgroups);
}

/** CPU times come as nanoseconds and as ticks, and each controller has a hierarchy of its own. */
async function figuresV1(path: string, cgroups: Cgroups): Promise<CgroupFigures> {
  const number = async (controller: string, file: string) => numberOf(await cgroups.read(controller, path, file));
  const [usage, ticks, stat, shares, quota, period] = await Promise.all([
    number("cpuacct", "cpuacct.usage"),
    cgroups.read("cpuacct", path, "cpuacct.stat"),
    cgroups.read("cpu", path, "cpu.stat"),
    number("cpu", "cpu.shares"),
    number("cpu", "cpu.cfs_quota_us"),
    number("cpu", "cpu.cfs_period_us"),
  ]);
  const [bytes, memoryStat, peak, limit, failures, oom, processes] = await Promise.all([
    number("memory", "memory.usage_in_bytes"),
    cgroups.read("memory", path, "memory.stat"),
    number("memory", "memory.max_usage_in_bytes"),
    number("memory", "memory.limit_in_bytes"),
    number("memory", "memory.failcnt"),
    cgroups.read("memory", path, "memory.oom_control"),
    number("pids", "pids.current"),
  ]);
  const ofTicks = (name: string) => scaled(field(ticks, name), 1 / TICKS_PER_SECOND);
  return {
    cpu: {
      total: scaled(usage, 1e-9),
      user: ofTicks("user"),
      system: ofTicks("system"),
      periods: field(stat, "nr_periods"),
      throttledPeriods: field(stat, "nr_throttled"),
      throttled: scaled(field(stat, "throttled_time"), 1e-9),
      shares,
      ...(quota !== undefined && quota > 0 ? { quota, period } : { period }),
    },
    memory: {
      ...memoryFigures(bytes, memoryStat),
      cache: field(memoryStat, "total_cache"),
      swap: field(memoryStat, "total_swap"),
      mapped: field(memoryStat, "total_mapped_file"),
      peak,
      limit: limit !== undefined && limit < NO_LIMIT ? limit : 0,
      failures,
    },
    oomKills: field(oom, "oom_kill"),
    processes,
  };
}

/** CPU times are microseconds; absent limits read `max`. */
async function figuresV2(path: string, cgroups: Cgroups): Promise<CgroupFigures> {
  const read = (file: string) => cgroups.read("", path, file);
  const [stat, max, weight] = await Promise.all([read("cpu.stat"), read("cpu.max"), read("cpu.weight")]);
  const [current, memoryStat, peak, limit, swap, events, pids] = await Promise.all(
    [
      "memory.current",
      "memory.stat",
      "memory.peak",
      "memory.max",
      "memory.swap.current",
      "memory.events",
      "pids.current",
    ].map(read),
  );
  const seconds = (name: string) => scaled(field(stat, name), 1e-6);
  const [quota, period] = (max ?? "").trim().split(" ").map(numberOf);
  const shares = numberOf(weight);
  return {
    cpu: {
      total: seconds("usage_usec"),
      user: seconds("user_usec"),
      system: seconds("system_usec"),
      periods: field(stat, "nr_periods"),
      throttledPeriods: field(stat, "nr_throttled"),
      throttled: seconds("throttled_usec"),
      // On a straight line, as cAdvisor: whether the runtime still weighs that way cannot be told.
      shares: shares === undefined ? undefined : Math.floor(2 + ((shares - 1) * 262_142) / 9999),
      quota,
      period,
    },
    memory: {
      ...memoryFigures(numberOf(current), memoryStat),
      cache: field(memoryStat, "file"),
      swap: numberOf(swap),
      mapped: field(memoryStat, "file_mapped"),
      peak: numberOf(peak),
      limit: numberOf(limit) ?? 0,
      failures: field(events, "max"),
    },
    oomKills: field(events, "oom_kill"),
    processes: numberOf(pids),
  };
}

function memoryFigures(usage: number | undefined, stat: string | undefined) {
  if (usage === undefined || stat === undefined) return { usage };
  const { workingSetBytes, rssBytes, pageFaults, majorPageFaults } = parseMemoryStat(usage, stat);
  return { usage, workingSet: workingSetBytes, rss: rssBytes, pageFaults, majorPageFaults };
}

function field(text: string | undefined, name: string): number | undefined {
  return numberOf(text?.match(new RegExp(`^${name} (\\d+)`, "m"))?.[1]);
}

/** Undefined for what is no number, such as `max`. */
function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === "") return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function scaled(value: number | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : value * factor;
}

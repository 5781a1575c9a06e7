// cgroups that systemd makes for the kubelet: a transient slice each, through systemd's own tools.
import { stat } from "node:fs/promises";
import { basename, join } from "node:path/posix";
import { commandOutput } from "@skiff/component-base/command.ts";
import type { CgroupFs } from "./cgroup-fs.ts";
import { NO_QUOTA } from "./cpu-quotas.ts";
import type { CgroupLimits } from "./resources.ts";
import { CPU_PERIOD_US, sharesToWeight } from "./resources.ts";

const SERVICE = "org.freedesktop.systemd1";
const MANAGER = [SERVICE, "/org/freedesktop/systemd1", `${SERVICE}.Manager`] as const;
/** Where systemd is the machine's first process, this is there. */
const BOOTED = "/run/systemd/system";

/** Tests put tools of their own in place of the machine's. */
export interface SystemdPlaces {
  /** Folder of busctl and systemctl; those of the PATH when empty. */
  readonly tools: string;
  readonly booted: string;
}

type Fs = Pick<CgroupFs, "isUnified" | "create" | "apply" | "kill" | "remove" | "children">;

/**
 * The same calls as CgroupFs, for paths that are slices all the way down. systemd is told of every limit that it knows,
 * since it writes its own idea of them whenever it reloads; the files are written as well, for what it does not know.
 */
export class SystemdSlices {
  private readonly fs: Fs;
  private readonly places: SystemdPlaces;

  constructor(fs: Fs, places: SystemdPlaces = { tools: "", booted: BOOTED }) {
    this.fs = fs;
    this.places = places;
  }

  /** Rejects on a machine that systemd does not run. */
  async check(): Promise<void> {
    const found = await stat(this.places.booted).catch(() => undefined);
    if (!found) throw new Error("cgroup driver systemd: systemd is not running on this machine");
  }

  /** Makes the slice with all above it. One that exists gets the limits. */
  async create(path: string, limits: CgroupLimits): Promise<void> {
    const name = basename(path);
    const properties = [...CREATED, ...sliceProperties(limits, this.fs.isUnified)];
    const start = [...MANAGER, "StartTransientUnit", "ssa(sv)a(sa(sv))", name, "replace", ...counted(properties), "0"];
    const isNew = await this.busctl(start).then(
      () => true,
      (error: Error) => {
        if (EXISTS.test(error.message)) return false;
        throw error;
      },
    );
    // The call only queues a job; this one waits for it, and is done at once where the slice is there.
    await this.systemctl("start", name);
    if (!isNew) await this.tell(path, limits);
    // Hierarchies and controllers that systemd leaves alone.
    await this.fs.create(path, limits);
  }

  /** Rejects with the kernel's error where it refuses a value. */
  async apply(path: string, limits: CgroupLimits): Promise<void> {
    // The kernel first: systemd would only log its refusal.
    await this.fs.apply(path, limits);
    await this.tell(path, limits);
  }

  /** Kills what still runs below `path` and removes it with all below. A path that is gone is fine. */
  async remove(path: string): Promise<void> {
    // A stop would give each scope inside its time to end.
    await this.fs.kill(path);
    await this.systemctl("stop", basename(path)).catch((error: Error) => {
      if (!/not loaded/i.test(error.message)) throw error;
    });
    await this.fs.remove(path);
  }

  async children(path: string, where: "any" | "first" = "any"): Promise<Set<string>> {
    return this.fs.children(path, where);
  }

  private async tell(path: string, limits: CgroupLimits): Promise<void> {
    const properties = sliceProperties(limits, this.fs.isUnified);
    if (properties.length === 0) return;
    const call = [...MANAGER, "SetUnitProperties", "sba(sv)", basename(path), "true", ...counted(properties)];
    await this.busctl(call);
  }

  private busctl(args: readonly string[]): Promise<string> {
    return commandOutput(join(this.places.tools, "busctl"), ["--system", "--quiet", "call", ...args]);
  }

  private systemctl(verb: string, name: string): Promise<string> {
    return commandOutput(join(this.places.tools, "systemctl"), ["--system", "--quiet", verb, name]);
  }
}

const EXISTS = /already (exists|loaded)|has a fragment file/i;

/** Name, type as D-Bus writes it, value. */
type Property = readonly [name: string, type: "b" | "s" | "t", value: string];

/** Without its default dependencies a slice outlives what systemd stops first at a shutdown: pods need their time. */
const CREATED: readonly Property[] = [
  ["Description", "s", "pods of the kubelet"],
  ["DefaultDependencies", "b", "false"],
  ["CPUAccounting", "b", "true"],
  ["MemoryAccounting", "b", "true"],
  ["IOAccounting", "b", "true"],
  ["TasksAccounting", "b", "true"],
];

/** systemd counts a quota per second, in steps of a hundredth. */
const QUOTA_STEP_US = 10_000;
const SECOND_US = 1_000_000;

/** Limits that are absent, or 0, are left as they are. */
export function sliceProperties(limits: CgroupLimits, isUnified: boolean): Property[] {
  const { cpuShares, cpuQuotaUs, memoryBytes, pids } = limits;
  const found: Property[] = [];
  const add = (name: string, value: number) => found.push([name, "t", String(value)]);
  if (cpuShares && isUnified) add("CPUWeight", sharesToWeight(cpuShares));
  if (cpuShares && !isUnified) add("CPUShares", cpuShares);
  // What systemd calls infinity.
  if (cpuQuotaUs === NO_QUOTA) found.push(["CPUQuotaPerSecUSec", "t", "18446744073709551615"]);
  else if (cpuQuotaUs) {
    const perSecond = (cpuQuotaUs / CPU_PERIOD_US) * SECOND_US;
    add("CPUQuotaPerSecUSec", Math.ceil(perSecond / QUOTA_STEP_US) * QUOTA_STEP_US);
  }
  if (memoryBytes) add(isUnified ? "MemoryMax" : "MemoryLimit", memoryBytes);
  if (pids) add("TasksMax", pids);
  return found;
}

/** As busctl takes a list: how many, then each. */
function counted(properties: readonly Property[]): string[] {
  return [String(properties.length), ...properties.flat()];
}

// The cgroup file systems of this machine: v1, v2, or both beside each other.
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { readdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import { NO_QUOTA } from "./cpu-quotas.ts";
import type { CgroupLimits } from "./resources.ts";
import { CPU_PERIOD_US, kernelPageSize, sharesToWeight } from "./resources.ts";

interface Hierarchy {
  readonly mountPoint: string;
  /** Those on this mount; none for named hierarchies of version 1. */
  readonly controllers: readonly string[];
  readonly isV2: boolean;
}

/** Mount options that name a controller; the others, such as `rw`, mean nothing here. */
const V1_CONTROLLERS: ReadonlySet<string> = new Set([
  "cpu",
  "cpuacct",
  "cpuset",
  "memory",
  "devices",
  "freezer",
  "net_cls",
  "net_prio",
  "blkio",
  "perf_event",
  "hugetlb",
  "pids",
  "rdma",
  "misc",
]);

/**
 * cgroups by their path from the root, such as `/kubepods/burstable/podX`; each call acts on every hierarchy.
 *
 * What a pod's start waits for is done at once: the kernel makes a cgroup in less time than it takes to wake a thread
 * for it and to be woken by that, and a pod needs some fifty such calls where version 1 has ten hierarchies.
 */
export class CgroupFs {
  private readonly hierarchies: readonly Hierarchy[];
  private readonly clock: Pick<Clock, "sleep">;

  private constructor(hierarchies: readonly Hierarchy[], clock: Pick<Clock, "sleep">) {
    this.hierarchies = hierarchies;
    this.clock = clock;
  }

  static async open(clock: Pick<Clock, "sleep">): Promise<CgroupFs> {
    const found = parseCgroupMounts(await readFile("/proc/self/mountinfo", "utf8"));
    const controllersOf = async ({ mountPoint }: Hierarchy) =>
      (await readFile(join(mountPoint, "cgroup.controllers"), "utf8").catch(() => ""))
        .trim()
        .split(" ")
        .filter(Boolean);
    const read = found.map(async (one) => (one.isV2 ? { ...one, controllers: await controllersOf(one) } : one));
    return new CgroupFs(await Promise.all(read), clock);
  }

  /** Only version 2, with no version-1 controllers beside it. */
  get isUnified(): boolean {
    return this.hierarchies.every((hierarchy) => hierarchy.isV2);
  }

  /** Whether the machine has a controller, in either version. */
  has(controller: string): boolean {
    return this.hierarchies.some((one) => one.isV2 === this.isUnified && one.controllers.includes(controller));
  }

  /** Whether the cgroup is there for all that can be limited. */
  async exists(path: string): Promise<boolean> {
    const limited = this.hierarchies.filter(({ isV2, controllers }) => {
      return isV2 ? this.isUnified : controllers.some((name) => name === "cpu" || name === "memory" || name === "pids");
    });
    const found = await Promise.all(
      limited.map(({ mountPoint }) => stat(join(mountPoint, path)).catch(() => undefined)),
    );
    return found.every((one) => one?.isDirectory());
  }

  /** Makes the cgroup with all above it and sets its limits. One that exists gets the limits. */
  async create(path: string, limits: CgroupLimits): Promise<void> {
    for (const hierarchy of this.hierarchies) {
      if (hierarchy.isV2) this.createV2(hierarchy, path);
      else createV1(hierarchy, path);
    }
    await this.apply(path, limits);
  }

  /** Rejects with the kernel's error where it refuses a value, such as a memory limit below what is in use. */
  async apply(path: string, limits: CgroupLimits): Promise<void> {
    for (const hierarchy of this.hierarchies) {
      const settings = hierarchy.isV2 ? (this.isUnified ? settingsV2(limits) : []) : settingsV1(hierarchy, limits);
      for (const [file, value] of settings) writeFileSync(join(hierarchy.mountPoint, path, file), value);
    }
  }

  /** Kills what still runs below `path` and removes it with all below. A path that is gone is fine. */
  async remove(path: string): Promise<void> {
    const gone = this.hierarchies.map(({ mountPoint }) => isRemoved(join(mountPoint, path)));
    // Empty, as the runtime leaves it after a pod that ended in good order.
    if (gone.every(Boolean)) return;
    // A cgroup that holds a process cannot be removed.
    await this.kill(path);
    await Promise.all(this.hierarchies.map((hierarchy) => this.removeTree(join(hierarchy.mountPoint, path))));
  }

  /** Kills the processes in the cgroup and below. */
  async kill(path: string): Promise<void> {
    for (const pid of await this.processes(path)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
  }

  /** Makes the cgroup, and puts a process with all its threads into it. */
  async enter(path: string, pid: number): Promise<void> {
    await this.create(path, {});
    for (const { mountPoint } of this.hierarchies) await writeFile(join(mountPoint, path, "cgroup.procs"), String(pid));
  }

  /**
   * Moves what stands in `from` itself, not below, into `to`, which is there. Each hierarchy on its own: a process that has a
   * place in one of them keeps it. Resolves with how many went.
   */
  async movePlaceless(from: string, to: string, mayMove: (pid: number) => Promise<boolean>): Promise<number> {
    const moved = new Set<number>();
    for (const { mountPoint } of this.hierarchies) {
      for (const pid of parseProcesses(await readFile(join(mountPoint, from, "cgroup.procs"), "utf8"))) {
        if (!(await mayMove(pid))) continue;
        // It may have ended since.
        const went = writeFile(join(mountPoint, to, "cgroup.procs"), String(pid)).then(() => moved.add(pid));
        await went.catch(() => {});
      }
    }
    return moved.size;
  }

  /** Names of the child cgroups in any hierarchy, or in the first alone, which is cheap and enough as a rule. */
  async children(path: string, where: "any" | "first" = "any"): Promise<Set<string>> {
    const names = new Set<string>();
    for (const { mountPoint } of where === "any" ? this.hierarchies : this.hierarchies.slice(0, 1)) {
      const entries = await readdir(join(mountPoint, path), { withFileTypes: true }).catch(() => []);
      for (const entry of entries) if (entry.isDirectory()) names.add(entry.name);
    }
    return names;
  }

  /** One file of a cgroup; undefined where the machine has no such controller or cgroup. */
  async read(controller: string, path: string, file: string): Promise<string | undefined> {
    const hierarchy = this.hierarchies.find((h) => (this.isUnified ? h.isV2 : h.controllers.includes(controller)));
    if (!hierarchy) return undefined;
    return readFile(join(hierarchy.mountPoint, path, file), "utf8").catch(() => undefined);
  }

  /** Processes in the cgroup and below. */
  async processCount(path: string): Promise<number> {
    const text = await this.read("pids", path, "pids.current");
    return text === undefined ? (await this.processes(path)).size : Number(text);
  }

  /** The same without threads, one by one: for whoever wants the number exactly. */
  async countProcesses(path: string): Promise<number> {
    return (await this.processes(path, "first")).size;
  }

  private createV2({ mountPoint, controllers }: Hierarchy, path: string): void {
    mkdirSync(join(mountPoint, path), { recursive: true });
    if (!this.isUnified) return;
    for (const parent of ["/", ...ancestors(path).slice(0, -1)]) {
      const file = join(mountPoint, parent, "cgroup.subtree_control");
      const given = readFileSync(file, "utf8").trim().split(" ");
      for (const name of controllers) {
        if (!given.includes(name)) delegate(file, name);
      }
    }
  }

  private async processes(path: string, where: "any" | "first" = "any"): Promise<Set<number>> {
    const pids = new Set<number>();
    const visit = async (dir: string): Promise<void> => {
      const text = await readFile(join(dir, "cgroup.procs"), "utf8").catch(() => "");
      for (const pid of parseProcesses(text)) pids.add(pid);
      const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) if (entry.isDirectory()) await visit(join(dir, entry.name));
    };
    const among = where === "any" ? this.hierarchies : this.hierarchies.slice(0, 1);
    for (const { mountPoint } of among) await visit(join(mountPoint, path));
    return pids;
  }

  private async removeTree(dir: string): Promise<void> {
    const entries = await readdir(dir, { withFileTypes: true }).catch(() => []);
    for (const entry of entries) if (entry.isDirectory()) await this.removeTree(join(dir, entry.name));
    // Up to 200 ms; what still lives then, such as a process in uninterruptible sleep, is left to housekeeping.
    for (let attempt = 0; attempt < 20; attempt++) {
      const code = await rmdir(dir).then(
        () => "",
        (error: NodeJS.ErrnoException) => error.code,
      );
      if (code !== "EBUSY") return;
      // A killed process leaves its cgroup a moment later.
      await this.clock.sleep(10);
    }
  }
}

function createV1({ mountPoint, controllers }: Hierarchy, path: string): void {
  mkdirSync(join(mountPoint, path), { recursive: true });
  if (!controllers.includes("cpuset")) return;
  // A version-1 cpuset starts empty, and no process can enter one without processors and memory.
  for (const step of unset(mountPoint, path)) {
    for (const file of ["cpuset.cpus", "cpuset.mems"]) copyDown(join(mountPoint, step), file);
  }
}

/** One at a time: a controller that cannot be given on must not keep the others away. */
function delegate(subtreeControl: string, controller: string): void {
  try {
    writeFileSync(subtreeControl, `+${controller}`);
  } catch {
    // Limits of this controller fail where they are set, with the kernel's own words.
  }
}

function isRemoved(dir: string): boolean {
  try {
    rmdirSync(dir);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

function ancestors(path: string): string[] {
  const parts = path.split("/").filter(Boolean);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
}

/** The cpusets on the way down to `path` that have no processors yet, topmost first. */
function unset(mountPoint: string, path: string): string[] {
  const found: string[] = [];
  for (const step of ancestors(path).reverse()) {
    const cpus = readFileSync(join(mountPoint, step, "cpuset.cpus"), "utf8");
    const mems = readFileSync(join(mountPoint, step, "cpuset.mems"), "utf8");
    if (cpus.trim() && mems.trim()) break;
    found.unshift(step);
  }
  return found;
}

function copyDown(dir: string, file: string): void {
  const own = readFileSync(join(dir, file), "utf8");
  if (own.trim() === "") writeFileSync(join(dir, file), readFileSync(join(dirname(dir), file), "utf8"));
}

/** Files and values. Limits that are absent, or 0, are left as they are. */
function settingsV1({ controllers }: Hierarchy, limits: CgroupLimits): [string, string][] {
  const settings: [string, string][] = [];
  if (controllers.includes("cpu")) {
    if (limits.cpuShares) settings.push(["cpu.shares", String(limits.cpuShares)]);
    if (limits.cpuQuotaUs) {
      settings.push(["cpu.cfs_period_us", String(CPU_PERIOD_US)], ["cpu.cfs_quota_us", String(limits.cpuQuotaUs)]);
    }
  }
  if (controllers.includes("memory") && limits.memoryBytes) {
    settings.push(["memory.limit_in_bytes", String(limits.memoryBytes)]);
  }
  if (controllers.includes("pids") && limits.pids) settings.push(["pids.max", String(limits.pids)]);
  if (controllers.includes("hugetlb")) {
    for (const [size, bytes] of Object.entries(limits.hugePages ?? {})) {
      settings.push([`hugetlb.${kernelPageSize(size)}.limit_in_bytes`, String(bytes)]);
    }
  }
  return settings;
}

/** The same for the unified hierarchy, which counts CPU shares as weights between 1 and 10,000. */
function settingsV2(limits: CgroupLimits): [string, string][] {
  const settings: [string, string][] = [];
  if (limits.cpuShares) settings.push(["cpu.weight", String(sharesToWeight(limits.cpuShares))]);
  const { cpuQuotaUs: quota } = limits;
  if (quota) settings.push(["cpu.max", `${quota === NO_QUOTA ? "max" : quota} ${CPU_PERIOD_US}`]);
  if (limits.memoryBytes) settings.push(["memory.max", String(limits.memoryBytes)]);
  if (limits.pids) settings.push(["pids.max", String(limits.pids)]);
  for (const [size, bytes] of Object.entries(limits.hugePages ?? {})) {
    settings.push([`hugetlb.${kernelPageSize(size)}.max`, String(bytes)]);
  }
  return settings;
}

/**
 * The processes that a `cgroup.procs` names. The kernel writes 0 for one that another process namespace hides, and a signal to 0
 * would go to the kubelet and all of its own process group.
 */
export function parseProcesses(text: string): number[] {
  return text
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 0);
}

/** The cgroup mounts in /proc/self/mountinfo; a controller mounted twice counts once. */
export function parseCgroupMounts(table: string): Hierarchy[] {
  const found = new Map<string, Hierarchy>();
  for (const line of table.split("\n").filter(Boolean)) {
    const [before = "", after = ""] = line.split(" - ");
    const mountPoint = before.split(" ")[4] ?? "";
    const [type, , options = ""] = after.split(" ");
    if (type === "cgroup2") {
      if (!found.has("v2")) found.set("v2", { mountPoint, controllers: [], isV2: true });
    } else if (type === "cgroup") {
      const words = options.split(",").filter((word) => V1_CONTROLLERS.has(word) || word.startsWith("name="));
      const key = words.join(",");
      const controllers = words.filter((word) => V1_CONTROLLERS.has(word));
      if (!found.has(key)) found.set(key, { mountPoint, controllers, isV2: false });
    }
  }
  return [...found.values()];
}

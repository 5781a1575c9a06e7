// What this machine is: identity, kernel, capacity.
import { readdir, readFile, statfs } from "node:fs/promises";
import { availableParallelism, machine, release } from "node:os";
import type { NodeSystemInfo } from "@skiff/api/types.ts";

export interface MachineInfo {
  readonly system: Omit<NodeSystemInfo, "containerRuntimeVersion" | "kubeletVersion" | "kubeProxyVersion">;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Page size such as `2Mi` → bytes in such pages. */
  readonly hugePages: ReadonlyMap<string, number>;
}

const ARCHITECTURES: Record<string, string> = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm", ppc64le: "ppc64le" };

export async function readMachineInfo(): Promise<MachineInfo> {
  const text = (path: string) =>
    readFile(path, "utf8").then(
      (content) => content.trim(),
      () => "",
    );
  return {
    system: {
      machineID: await text("/etc/machine-id"),
      systemUUID: (await text("/sys/class/dmi/id/product_uuid")) || (await text("/etc/machine-id")),
      bootID: await text("/proc/sys/kernel/random/boot_id"),
      kernelVersion: release(),
      osImage: parseOsName(await text("/etc/os-release")),
      operatingSystem: "linux",
      architecture: ARCHITECTURES[machine()] ?? machine(),
    },
    cpus: availableParallelism(),
    memoryBytes: parseMemInfo(await text("/proc/meminfo")).total,
    hugePages: await readHugePages(),
  };
}

function parseOsName(osRelease: string): string {
  return /^PRETTY_NAME="?(.*?)"?$/m.exec(osRelease)?.[1] ?? "Linux";
}

function parseMemInfo(text: string): { total: number; available: number } {
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0);
  return { total: kib("MemTotal") * 1024, available: kib("MemAvailable") * 1024 };
}

async function readHugePages(): Promise<Map<string, number>> {
  const root = "/sys/kernel/mm/hugepages";
  const pages = new Map<string, number>();
  for (const name of await readdir(root).catch(() => [])) {
    const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    const count = Number(await readFile(`${root}/${name}/nr_hugepages`, "utf8").catch(() => "0"));
    const size = kib >= 1024 * 1024 ? `${kib / 1024 / 1024}Gi` : `${kib / 1024}Mi`;
    if (kib > 0) pages.set(size, count * kib * 1024);
  }
  return pages;
}

/** What the conditions are judged by, now. */
export interface MachineReadings {
  readonly memoryAvailableBytes: number;
  readonly disk: {
    readonly capacityBytes: number;
    readonly availableBytes: number;
    readonly inodes: number;
    readonly inodesFree: number;
  };
  readonly pids: { readonly max: number; readonly used: number };
}

/** `path` lies on the file system whose space counts as the node's. */
export async function readMachine(path: string): Promise<MachineReadings> {
  const [memInfo, disk, pidMax, loadAverage] = await Promise.all([
    readFile("/proc/meminfo", "utf8"),
    statfs(path),
    readFile("/proc/sys/kernel/pid_max", "utf8"),
    readFile("/proc/loadavg", "utf8"),
  ]);
  return {
    memoryAvailableBytes: parseMemInfo(memInfo).available,
    disk: {
      capacityBytes: disk.blocks * disk.bsize,
      availableBytes: disk.bavail * disk.bsize,
      inodes: disk.files,
      inodesFree: disk.ffree,
    },
    // The fourth figure of loadavg is running/all threads.
    pids: { max: Number(pidMax), used: Number(loadAverage.split(" ")[3]?.split("/")[1] ?? 0) },
  };
}

// What this machine is: identity, kernel, capacity.
import { readdir, readFile } from "node:fs/promises";
import { availableParallelism, machine, release } from "node:os";
import type { NodeSystemInfo } from "@skiff/api/types.ts";

/** `system` becomes node.status.nodeInfo, less the versions of programs. */
export interface MachineInfo {
  readonly system: Omit<NodeSystemInfo, "containerRuntimeVersion" | "kubeletVersion" | "kubeProxyVersion">;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Page size such as `2Mi` → bytes in such pages. */
  readonly hugePages: ReadonlyMap<string, number>;
  /** Whether the kernel enforces AppArmor profiles. */
  readonly hasAppArmor: boolean;
}

/** The kernel's names → Go's, which images and node labels use. */
const ARCHITECTURES: Record<string, string> = { x86_64: "amd64", aarch64: "arm64", armv7l: "arm", ppc64le: "ppc64le" };

/** What cannot be read is empty or 0: a container without /sys/class/dmi is a node all the same. */
export async function readMachineInfo(): Promise<MachineInfo> {
  const text = (path: string) =>
    readFile(path, "utf8").then(
      (content) => content.trim(),
      () => "",
    );
  const memory = await text("/proc/meminfo");
  const swapBytes = amountOf("SwapTotal", memory);
  return {
    system: {
      ...(swapBytes > 0 ? { swap: { capacity: swapBytes } } : {}),
      machineID: await text("/etc/machine-id"),
      systemUUID: (await text("/sys/class/dmi/id/product_uuid")) || (await text("/etc/machine-id")),
      bootID: await text("/proc/sys/kernel/random/boot_id"),
      kernelVersion: release(),
      osImage: parseOsName(await text("/etc/os-release")),
      operatingSystem: "linux",
      architecture: ARCHITECTURES[machine()] ?? machine(),
    },
    cpus: availableParallelism(),
    memoryBytes: amountOf("MemTotal", memory),
    hugePages: await readHugePages(),
    hasAppArmor: (await text("/sys/module/apparmor/parameters/enabled")).startsWith("Y"),
  };
}

function parseOsName(osRelease: string): string {
  return /^PRETTY_NAME="?(.*?)"?$/m.exec(osRelease)?.[1] ?? "Linux";
}

/** Bytes of a line such as `MemTotal:  16384 kB`; 0 where it is not there. */
function amountOf(name: string, meminfo: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(meminfo)?.[1] ?? 0) * 1024;
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

/** Throws upstream's words where swap is on. */
export async function refuseSwap(): Promise<void> {
  const [, ...devices] = (await readFile("/proc/swaps", "utf8").catch(() => "")).trim().split("\n");
  if (devices.length === 0) return;
  throw new Error(
    `running with swap on is not supported, please disable swap or set --fail-swap-on flag to false. /proc/swaps contained: [${devices.join(" ")}]`,
  );
}

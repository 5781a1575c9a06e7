// The size of the node and what of it is kept from pods, from the machine and the configuration.
import { readFile, statfs } from "node:fs/promises";
import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import type { KubeletConfig } from "../config.ts";
import type { Settings } from "../configuration/fields.ts";
import { effectiveEvictionHard } from "../configuration/read-configuration.ts";
import { parseThresholds } from "../eviction/thresholds.ts";
import { parseCpuSet } from "../resource-managers/cpus/cpu-set.ts";
import type { NodeSize, Reservation } from "./allocatable.ts";
import { podsMemoryBytes } from "./allocatable.ts";
import type { MachineInfo } from "./machine-info.ts";

/** Fixed for the life of the kubelet, except for what device plugins add later. */
export interface NodeShape {
  readonly size: NodeSize;
  readonly reservation: Reservation;
  /** Limits of the cgroup above all pods. */
  readonly pods: {
    readonly milliCpuCapacity: number;
    readonly memoryBytes: number | undefined;
    readonly pids: number | undefined;
  };
}

/**
 * Storage is that of the file system under the kubelet's root. Throws in upstream's words where thresholds make no
 * sense.
 */
export async function nodeShape(config: KubeletConfig, machine: MachineInfo): Promise<NodeShape> {
  const { settings } = config;
  const { maxPods, podsPerCore, enforceNodeAllocatable } = settings;
  const { kubeReserved, systemReserved } = reservedAmounts(settings);
  const { blocks, bsize } = await statfs(config["root-dir"]);
  const size = {
    cpus: machine.cpus,
    memoryBytes: machine.memoryBytes,
    storageBytes: settings.localStorageCapacityIsolation ? blocks * bsize : undefined,
    maxPods: podsPerCore > 0 ? Math.min(maxPods, podsPerCore * machine.cpus) : maxPods,
    hugePages: machine.hugePages,
  };
  const thresholds = parseThresholds({ ...settings, evictionHard: effectiveEvictionHard(settings) });
  const reservation = { kubeReserved, systemReserved, thresholds };
  const cpu = (list: Readonly<Record<string, string>>) => quantityMilliValue(list.cpu ?? "0");
  const isEnforced = enforceNodeAllocatable.includes("pods");
  return {
    size,
    reservation,
    pods: {
      milliCpuCapacity: Math.max(0, machine.cpus * 1000 - cpu(kubeReserved) - cpu(systemReserved)),
      memoryBytes: isEnforced ? podsMemoryBytes(size, reservation) : undefined,
      pids: isEnforced ? await podsPids(reservation) : undefined,
    },
  };
}

/** Named processors stand for amounts of CPU: as upstream, they replace both. */
function reservedAmounts({ kubeReserved, systemReserved, reservedSystemCPUs }: Settings) {
  const cpus = parseCpuSet(reservedSystemCPUs).size;
  if (cpus === 0) return { kubeReserved, systemReserved };
  const { cpu: _, ...others } = kubeReserved;
  return { kubeReserved: others, systemReserved: { ...systemReserved, cpu: String(cpus) } };
}

/** Processes of all pods together; undefined where none are reserved for others. */
async function podsPids({ kubeReserved, systemReserved }: Reservation): Promise<number | undefined> {
  const reserved = quantityValue(kubeReserved.pid ?? "0") + quantityValue(systemReserved.pid ?? "0");
  if (reserved === 0) return undefined;
  return Math.max(1, Number(await readFile("/proc/sys/kernel/pid_max", "utf8")) - reserved);
}

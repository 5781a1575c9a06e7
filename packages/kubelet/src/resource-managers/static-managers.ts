// The CPU and memory managers where a static policy asks for them, each with its state file.
import { join } from "node:path";
import { quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import type { MemoryReservation } from "../configuration/resource-fields.ts";
import { takePacked } from "./cpus/assign-cpus.ts";
import { CpuManager } from "./cpus/cpu-manager.ts";
import type { CpuSet } from "./cpus/cpu-set.ts";
import { parseCpuSet } from "./cpus/cpu-set.ts";
import type { StateFiles } from "./idle-state.ts";
import { stateError } from "./idle-state.ts";
import { MemoryManager } from "./memory/memory-manager.ts";
import type { MachineTopology } from "./topology/machine-topology.ts";

/** Processors kept for the system are given by number or by amount; numbers win. */
export interface StaticCpuOptions {
  /** By number, such as `0-1`; empty where an amount is reserved. */
  readonly reservedCpus: string;
  /** Quantities of CPU that are reserved. */
  readonly reservedAmounts: readonly string[];
  readonly policyOptions: Readonly<Record<string, string>>;
}

/** Upstream's file names in the kubelet's root. */
const CPU_STATE = "cpu_manager_state";
const MEMORY_STATE = "memory_manager_state";

/** Throws where the machine or an earlier policy's state does not allow it. */
export async function startCpuManager(
  { cpus }: MachineTopology,
  { reservedCpus, reservedAmounts, policyOptions }: StaticCpuOptions,
  { rootDir, open }: StateFiles,
  onChange: () => void,
): Promise<CpuManager> {
  const all: CpuSet = new Set(cpus.map(({ id }) => id));
  const milli = reservedAmounts.reduce((sum, amount) => sum + quantityMilliValue(amount), 0);
  const named = parseCpuSet(reservedCpus);
  // As upstream: whatever part of a processor is reserved, the whole is.
  const reserved = named.size > 0 ? named : takePacked(cpus, all, Math.ceil(milli / 1000));
  if (reserved.size === 0) {
    throw new Error("the static policy requires systemreserved.cpu + kubereserved.cpu to be greater than zero");
  }
  const has = (name: string) => policyOptions[name] === "true";
  const options = {
    cpus,
    reserved,
    fullPcpusOnly: has("full-pcpus-only"),
    distributeAcrossNuma: has("distribute-cpus-across-numa"),
    strictReservation: has("strict-cpu-reservation"),
    alignByCache: has("prefer-align-cpus-by-uncorecache"),
  };
  const manager = new CpuManager(options, { file: open(CPU_STATE), onChange });
  await restored(manager, "CPU", join(rootDir, CPU_STATE));
  return manager;
}

/**
 * Throws where the reservations by NUMA node do not add up to the node's, or an earlier policy's state is in the way.
 */
export async function startMemoryManager(
  { nodes }: MachineTopology,
  reservations: readonly MemoryReservation[],
  /** What the node keeps of its memory in all, in bytes. */
  nodeReserved: number,
  { rootDir, open }: StateFiles,
): Promise<MemoryManager> {
  const amounts = ({ limits }: MemoryReservation) =>
    new Map(Object.entries(limits).map(([kind, amount]) => [kind, quantityValue(amount)]));
  const reserved = new Map(reservations.map((one) => [one.numaNode, amounts(one)]));
  const total = [...reserved.values()].reduce((sum, kinds) => sum + (kinds.get("memory") ?? 0), 0);
  if (total !== nodeReserved) {
    throw new Error(
      `the total amount ${JSON.stringify(String(total))} of type "memory" is not equal to the value ${JSON.stringify(String(nodeReserved))} determined by Node Allocatable feature`,
    );
  }
  const manager = new MemoryManager({ nodes, reserved }, { file: open(MEMORY_STATE) });
  await restored(manager, "memory", join(rootDir, MEMORY_STATE));
  return manager;
}

async function restored(manager: { restore(): Promise<void> }, what: string, path: string): Promise<void> {
  try {
    await manager.restore();
  } catch (error) {
    throw stateError(what, path, error as Error);
  }
}

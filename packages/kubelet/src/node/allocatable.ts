// What the node has, and what of it pods may use: less what is reserved and what eviction keeps free. Pure.
import { formatQuantity, quantityMilliValue, quantityValue } from "@skiff/api/quantity.ts";
import type { Threshold } from "../eviction/thresholds.ts";
import { amountOf } from "../eviction/thresholds.ts";

type Amounts = Readonly<Record<string, string>>;

/** CPU in processors, the rest in bytes and counts. */
export interface NodeSize {
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Undefined where the node's disk is not given out: localStorageCapacityIsolation is off. */
  readonly storageBytes: number | undefined;
  readonly maxPods: number;
  /** Page size such as `2Mi` → bytes in such pages. */
  readonly hugePages: ReadonlyMap<string, number>;
}

/** What --kube-reserved and --system-reserved keep back, and the thresholds of eviction. */
export interface Reservation {
  readonly kubeReserved: Amounts;
  readonly systemReserved: Amounts;
  readonly thresholds: readonly Threshold[];
}

const NOTHING_RESERVED: Reservation = { kubeReserved: {}, systemReserved: {}, thresholds: [] };

/** node.status.capacity: all that the machine has. */
export function nodeCapacity(size: NodeSize): Record<string, string> {
  return resourceList(size, size.cpus * 1000, size.memoryBytes, size.storageBytes, NOTHING_RESERVED);
}

/** node.status.allocatable: what the scheduler gives out. Never below zero, whatever is reserved. */
export function nodeAllocatable(size: NodeSize, reservation: Reservation): Record<string, string> {
  // Eviction knows no CPU: a node without any slows down, but loses nothing.
  const milliCpu = size.cpus * 1000 - reserved(reservation, "cpu", quantityMilliValue);
  // Huge pages are memory set aside: whoever asks for plain memory does not get it out of them.
  const inPages = [...size.hugePages.values()].reduce((sum, bytes) => sum + bytes, 0);
  const memory =
    podsMemoryBytes(size, reservation) - keptFree(reservation, "memory.available", size.memoryBytes) - inPages;
  const { storageBytes } = size;
  const storage =
    storageBytes &&
    storageBytes -
      reserved(reservation, "ephemeral-storage", quantityValue) -
      keptFree(reservation, "nodefs.available", storageBytes);
  return resourceList(size, milliCpu, memory, storage, reservation);
}

/** Memory that all pods together may hold before the kernel stops them: reservations count, eviction does not. */
export function podsMemoryBytes({ memoryBytes }: Pick<NodeSize, "memoryBytes">, reservation: Reservation): number {
  return Math.max(0, memoryBytes - reserved(reservation, "memory", quantityValue));
}

/** Memory that pods never get: reservations and what hard eviction keeps free. */
export function reservedMemoryBytes(size: NodeSize, reservation: Reservation): number {
  return reserved(reservation, "memory", quantityValue) + keptFree(reservation, "memory.available", size.memoryBytes);
}

function resourceList(
  size: NodeSize,
  milliCpu: number,
  memory: number,
  storage: number | undefined,
  reservation: Reservation,
): Record<string, string> {
  const disk = (bytes: number) =>
    reservation === NOTHING_RESERVED ? kibis(bytes) : formatQuantity(Math.max(0, Math.floor(bytes)), "decimal");
  const pages = [...size.hugePages].map(([page, bytes]) => {
    const left = Math.max(0, bytes - reserved(reservation, `hugepages-${page}`, quantityValue));
    return [`hugepages-${page}`, left === 0 ? "0" : kibis(left)];
  });
  return {
    cpu: milliCpu % 1000 === 0 ? String(Math.max(0, milliCpu / 1000)) : `${Math.max(0, milliCpu)}m`,
    memory: kibis(memory),
    ...(storage === undefined ? {} : { "ephemeral-storage": disk(storage) }),
    pods: String(size.maxPods),
    ...Object.fromEntries(pages),
  };
}

function reserved({ kubeReserved, systemReserved }: Reservation, name: string, read: (text: string) => number): number {
  return read(kubeReserved[name] ?? "0") + read(systemReserved[name] ?? "0");
}

/** Only hard thresholds: what is above a soft one may be used for a while. */
function keptFree({ thresholds }: Reservation, signal: string, capacity: number): number {
  const hard = thresholds.find((threshold) => threshold.signal === signal && !threshold.isSoft);
  return hard ? amountOf(hard.value, capacity) : 0;
}

function kibis(bytes: number): string {
  return `${Math.floor(Math.max(0, bytes) / 1024)}Ki`;
}

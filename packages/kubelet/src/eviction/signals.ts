// What every eviction signal reads now.
import { readFile, stat, statfs } from "node:fs/promises";
import type { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { parseMeminfo, parseMemoryStat } from "../server/stats/kernel-files.ts";
import type { Signal } from "./thresholds.ts";

/** Bytes or counts. */
export interface Observation {
  readonly available: number;
  readonly capacity: number;
}

/** Signals that could be read. */
export type Observations = ReadonlyMap<Signal, Observation>;

export interface SignalDeps {
  readonly cri: Pick<CriClient, "imageFsInfo">;
  readonly cgroups: Pick<CgroupFs, "read" | "isUnified">;
  readonly rootDir: string;
  readonly kubepods: string;
  /** What all pods together may use. */
  readonly allocatableMemoryBytes: number;
}

/** One look at the whole node. */
export interface NodeObservations {
  readonly signals: Observations;
  /** Images and writable layers lie on a file system of their own, so that reclaiming them does not help the node's. */
  readonly hasDedicatedImageFs: boolean;
}

/**
 * A signal whose reading cannot be had is absent, and no threshold on it is met. Rejects where /proc cannot be read.
 */
export async function observeSignals(deps: SignalDeps): Promise<NodeObservations> {
  const signals = new Map<Signal, Observation>();
  const memory = await memoryObservation();
  signals.set("memory.available", memory);
  const pods = await podsMemory(deps);
  if (pods) signals.set("allocatableMemory.available", pods);
  signals.set("pid.available", await pidObservation());
  const [info] = await deps.cri.imageFsInfo().catch(() => []);
  const imagePath = info?.fsId?.mountpoint ?? deps.rootDir;
  await addDisk(signals, deps.rootDir, "nodefs.available", "nodefs.inodesFree");
  await addDisk(signals, imagePath, "imagefs.available", "imagefs.inodesFree");
  await addDisk(signals, imagePath, "containerfs.available", "containerfs.inodesFree");
  return { signals, hasDedicatedImageFs: await onDifferentDevices(deps.rootDir, imagePath) };
}

async function memoryObservation(): Promise<Observation> {
  const text = await readFile("/proc/meminfo", "utf8");
  const capacity = Number(/^MemTotal:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  return { capacity, available: parseMeminfo(text).availableBytes ?? capacity };
}

async function podsMemory({ cgroups, kubepods, allocatableMemoryBytes }: SignalDeps): Promise<Observation | undefined> {
  const file = cgroups.isUnified ? "memory.current" : "memory.usage_in_bytes";
  const usage = await cgroups.read("memory", kubepods, file);
  const figures = await cgroups.read("memory", kubepods, "memory.stat");
  if (usage === undefined || figures === undefined) return undefined;
  const { workingSetBytes } = parseMemoryStat(Number(usage), figures);
  // The working set: page cache that the kernel can drop at once does not count as used.
  return { capacity: allocatableMemoryBytes, available: Math.max(0, allocatableMemoryBytes - workingSetBytes) };
}

async function pidObservation(): Promise<Observation> {
  const number = async (path: string) => Number(await readFile(path, "utf8").catch(() => "Infinity"));
  const [pidMax, threadsMax, load] = await Promise.all([
    number("/proc/sys/kernel/pid_max"),
    number("/proc/sys/kernel/threads-max"),
    readFile("/proc/loadavg", "utf8"),
  ]);
  const capacity = Math.min(pidMax, threadsMax);
  // The fourth figure is running/all threads.
  const used = Number(load.split(" ")[3]?.split("/")[1] ?? 0);
  return { capacity, available: capacity - used };
}

async function addDisk(signals: Map<Signal, Observation>, path: string, bytes: Signal, inodes: Signal): Promise<void> {
  const disk = await statfs(path).catch(() => undefined);
  if (!disk) return;
  signals.set(bytes, { capacity: disk.blocks * disk.bsize, available: disk.bavail * disk.bsize });
  // Some file systems count no inodes at all.
  if (disk.files > 0) signals.set(inodes, { capacity: disk.files, available: disk.ffree });
}

async function onDifferentDevices(a: string, b: string): Promise<boolean> {
  const [left, right] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)));
  return left !== undefined && right !== undefined && left.dev !== right.dev;
}

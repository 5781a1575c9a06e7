// The machine's processors and NUMA nodes, read from /sys/devices/system.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseCpuSet } from "../cpus/cpu-set.ts";

/** One logical processor, which is a hyperthread where cores have several. */
export interface Cpu {
  readonly id: number;
  /** The lowest processor that shares the core, so that it is unique on the machine. */
  readonly core: number;
  readonly socket: number;
  readonly node: number;
  /** The lowest processor that shares the last cache; absent where the machine does not tell. */
  readonly cache?: number;
}

/** A part of the memory with the processors that reach it fastest. */
export interface NumaNode {
  readonly id: number;
  readonly memoryBytes: number;
  /** Page size such as `2Mi` → bytes in such pages. */
  readonly hugePages: ReadonlyMap<string, number>;
  /** To each node, in the order of their numbers. */
  readonly distances: readonly number[];
}

/** Online processors only. */
export interface MachineTopology {
  readonly cpus: readonly Cpu[];
  readonly nodes: readonly NumaNode[];
}

const SYSTEM = "/sys/devices/system";

/** A machine without NUMA is one node. */
export async function readMachineTopology(root = SYSTEM): Promise<MachineTopology> {
  const text = (path: string) =>
    readFile(join(root, path), "utf8").then(
      (content) => content.trim(),
      () => "",
    );
  const nodes = await readNodes(root, text);
  const nodeOf = new Map<number, number>();
  for (const { id } of nodes) for (const cpu of parseCpuSet(await text(`node/node${id}/cpulist`))) nodeOf.set(cpu, id);
  const cpus: Cpu[] = [];
  for (const id of parseCpuSet(await text("cpu/online"))) {
    const siblings = await text(`cpu/cpu${id}/topology/thread_siblings_list`);
    const socket = Number((await text(`cpu/cpu${id}/topology/physical_package_id`)) || 0);
    const core = siblings ? Math.min(...parseCpuSet(siblings)) : id;
    const sharers = await text(`cpu/cpu${id}/cache/index3/shared_cpu_list`);
    const cache = sharers ? { cache: Math.min(...parseCpuSet(sharers)) } : {};
    cpus.push({ id, core, socket: Math.max(0, socket), node: nodeOf.get(id) ?? 0, ...cache });
  }
  return { cpus, nodes: nodes.length > 0 ? nodes : [await wholeMachine()] };
}

async function readNodes(root: string, text: (path: string) => Promise<string>): Promise<NumaNode[]> {
  const names = await readdir(join(root, "node")).catch(() => []);
  const ids = names.flatMap((name) => /^node(\d+)$/.exec(name)?.[1] ?? []).map(Number);
  const nodes: NumaNode[] = [];
  for (const id of ids.sort((a, b) => a - b)) {
    const memory = /MemTotal:\s+(\d+) kB/.exec(await text(`node/node${id}/meminfo`))?.[1] ?? "0";
    const distances = (await text(`node/node${id}/distance`)).split(/\s+/).filter(Boolean).map(Number);
    const hugePages = await readHugePages(join(root, `node/node${id}/hugepages`));
    nodes.push({ id, memoryBytes: Number(memory) * 1024, hugePages, distances });
  }
  return nodes;
}

async function wholeMachine(): Promise<NumaNode> {
  const text = await readFile("/proc/meminfo", "utf8").catch(() => "");
  const memoryBytes = Number(/^MemTotal:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) * 1024;
  return { id: 0, memoryBytes, hugePages: await readHugePages("/sys/kernel/mm/hugepages"), distances: [10] };
}

async function readHugePages(dir: string): Promise<Map<string, number>> {
  const pages = new Map<string, number>();
  for (const name of await readdir(dir).catch(() => [])) {
    const kib = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1] ?? 0);
    const count = Number(await readFile(join(dir, name, "nr_hugepages"), "utf8").catch(() => "0"));
    if (kib > 0) pages.set(kib >= 1024 * 1024 ? `${kib / 1024 / 1024}Gi` : `${kib / 1024}Mi`, count * kib * 1024);
  }
  return pages;
}

// What the kernel's own files say of a process's cgroup, to hold a kubelet's figures against.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { cgroupHierarchies } from "@skiff/cli/node/cgroups.ts";

/** Bytes, and nanoseconds of processor time. */
export interface CgroupFigures {
  readonly cpuNanos: number;
  readonly usage: number;
  readonly workingSet: number;
  readonly rss: number;
}

/** Of the cgroup that the process is in, or of the one above: a pod's, where the process is a container's. */
export function cgroupFiguresOf(pid: number, level: "own" | "above" = "own"): CgroupFigures {
  const isUnified = cgroupHierarchies().every(({ version }) => version === 2);
  const folderOf = (controller: string) => {
    const own = pathOf(pid, controller);
    return level === "own" ? own : dirname(own);
  };
  const memory = (name: string) => readFileSync(join(folderOf("memory"), name), "utf8");
  const stat = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(memory("memory.stat"))?.[1]);
  const usage = Number(memory(isUnified ? "memory.current" : "memory.usage_in_bytes"));
  const inactive = stat(isUnified ? "inactive_file" : "total_inactive_file");
  const cpu = readFileSync(join(folderOf("cpuacct"), isUnified ? "cpu.stat" : "cpuacct.usage"), "utf8");
  const cpuNanos = isUnified ? Number(/^usage_usec (\d+)/m.exec(cpu)?.[1]) * 1000 : Number(cpu);
  return { cpuNanos, usage, workingSet: usage - inactive, rss: stat(isUnified ? "anon" : "total_rss") };
}

/** The controller's own hierarchy of version 1, or else the one hierarchy of version 2. */
function pathOf(pid: number, controller: string): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  const entries = lines.map((line) => /^\d+:([^:]*):(.*)$/.exec(line));
  const entry =
    entries.find((found) => found?.[1]?.split(",").includes(controller)) ?? entries.find((found) => found?.[1] === "");
  const mounts = cgroupHierarchies();
  const mount =
    mounts.find(({ controllers }) => controllers.includes(controller)) ?? mounts.find(({ version }) => version === 2);
  return join(mount?.mountPoint ?? "", entry?.[2] ?? "");
}

// The traffic of a pod's own network, read through a process that lives in it.
import { readFile } from "node:fs/promises";
import { join } from "node:path/posix";
import type { KubeletServerDeps } from "../deps.ts";
import type { InterfaceCounters } from "./net-dev.ts";
import { parseCounters } from "./net-dev.ts";

/** `sandboxPath` is the sandbox's cgroup. Empty where the pod has no process, or is gone. */
export async function podNetwork(
  sandboxPath: string,
  cgroups: KubeletServerDeps["cgroups"],
): Promise<InterfaceCounters[]> {
  const [pid] = ((await cgroups.read("memory", sandboxPath, "cgroup.procs")) ?? "").split("\n");
  if (!pid) return [];
  const text = await readFile(join("/proc", pid, "net/dev"), "utf8").catch(() => "");
  return parseCounters(text);
}

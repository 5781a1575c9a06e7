// What a cluster can leave behind on a machine: taken before it starts and compared after it has stopped.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { cgroupHierarchies } from "@skiff/cli/node/cgroups.ts";
import { runCommand } from "@skiff/component-base/command.ts";

export type Traces = Readonly<Record<string, readonly string[]>>;

/** Everything that could be a cluster's, by sort. Volatile parts (counters, pids of others) are left out. */
export async function machineTraces(): Promise<Traces> {
  return {
    processes: skiffProcesses(),
    mounts: readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[4] ?? ""),
    namespaces: listFolder("/run/netns"),
    cgroups: cgroupHierarchies().flatMap(({ mountPoint }) =>
      listFolder(mountPoint).map((name) => join(mountPoint, name)),
    ),
    links: (await output("ip", ["-o", "link"])).map((line) => line.split(": ")[1] ?? ""),
    routes: await output("ip", ["route", "show", "table", "all"]),
    rules: (await output("iptables-save", [])).filter((line) => line.startsWith("-")),
    forwarding: [readFileSync("/proc/sys/net/ipv4/ip_forward", "utf8").trim()],
    volatile: listFolder("/run/skiff"),
  };
}

/** What is there now and was not before: `links: skiff-1a2b3c`. */
export function newTraces(before: Traces, after: Traces): string[] {
  return Object.entries(after).flatMap(([sort, items]) => {
    const known = new Set(before[sort]);
    return items.filter((item) => !known.has(item)).map((item) => `${sort}: ${item}`);
  });
}

// Command lines, not pids: the machine's other processes come and go.
function skiffProcesses(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
        return /dist\/\S+\.mjs|containerd-shim|containerd.*--config=|etcd .*--name=skiff/.test(words) ? [words] : [];
      } catch {
        return [];
      }
    });
}

function listFolder(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

async function output(command: string, args: readonly string[]): Promise<string[]> {
  return (await runCommand(command, args)).stdout.split("\n").filter(Boolean);
}

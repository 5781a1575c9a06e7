// What a cluster can leave behind on a machine: taken before it starts and compared after it has stopped.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Layout } from "@skiff/cli/layout.ts";
import { cgroupHierarchies, pidsBelow } from "@skiff/cli/node/cgroups.ts";
import { runCommand } from "@skiff/component-base/command.ts";

/** One line each: `link: 5: skiff-1a2b3c@if4 …`. */
export type Traces = ReadonlySet<string>;

/**
 * Everything of this cluster, and the host's own routes and rules; not what other clusters do on the same machine meanwhile.
 */
export async function machineTraces(layout: Layout): Promise<Traces> {
  const own = (line: string) => line.includes(layout.id) || line.includes(layout.state);
  const lines = [
    ...label("process", commandLines().filter(own)),
    ...label("contained process", [...pidsBelow(layout.cgroup)].map(String)),
    ...label("mount", readFileSync("/proc/self/mountinfo", "utf8").split("\n").filter(own)),
    ...label("namespace", listFolder("/run/netns").filter(own)),
    ...label(
      "cgroup",
      cgroupHierarchies()
        .flatMap(({ mountPoint }) => listFolder(mountPoint))
        .filter(own),
    ),
    ...label("link", (await output("ip", ["-o", "link"])).filter(own)),
    ...label("volatile", listFolder("/run/skiff").filter(own)),
    ...label(
      "host",
      (await hostSettings()).filter((line) => own(line) || !/skiff-[0-9a-f]{6}/.test(line)),
    ),
  ];
  return new Set(lines);
}

/** What is there now and was not before. */
export function newTraces(before: Traces, after: Traces): string[] {
  return [...after.difference(before)];
}

async function hostSettings(): Promise<string[]> {
  const rules = (await output("iptables-save", [])).filter((line) => line.startsWith("-"));
  return [...(await output("ip", ["route", "show", "table", "all"])), ...rules];
}

function label(sort: string, items: readonly string[]): string[] {
  return items.map((item) => `${sort}: ${item}`);
}

// The test's own process names the state folder too, but is no trace of the cluster.
function commandLines(): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return pids.flatMap((pid) => {
    try {
      return [readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim()];
    } catch {
      return [];
    }
  });
}

function listFolder(path: string): string[] {
  return existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : [];
}

async function output(command: string, args: readonly string[]): Promise<string[]> {
  return (await runCommand(command, args)).stdout.split("\n").filter(Boolean);
}

// Removes every trace of a cluster from the machine, whatever state it is in: processes, mounts, network, cgroups, folders.
import { readdirSync, readFileSync, readlinkSync, rmdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import { runCommand } from "@skiff/component-base/command.ts";
import type { Layout } from "../layout.ts";
import { NETNS_FOLDER, VOLATILE_ROOT } from "../layout.ts";
import { removeHostAccess } from "../network/host-access.ts";
import { namespacesOf, removeNetwork } from "../network/namespaces.ts";
import { pidsBelow, removeCgroups } from "../node/cgroups.ts";
import { releaseMemoryFolder } from "../node/memory-folder.ts";
import type { ProcessIdentity } from "../supervisor/process-identity.ts";
import { identifyProcess, isAlive, signalProcess } from "../supervisor/process-identity.ts";

/** etcd and containerd need a moment to end in good order. */
const STOP_GRACE_MS = 10_000;
const POLL_MS = 20;

/** In this order: processes hold mounts, mounts hold folders, and namespaces and cgroups go once they are empty. */
export async function sweepMachine(layout: Layout, clock: Clock): Promise<void> {
  await killLeftovers(layout, clock);
  await unmountBelow([layout.volatile, layout.state]);
  await removeHostAccess(layout);
  await removeNetwork(layout);
  await removeAllCgroups(layout, clock);
  await releaseMemoryFolder(layout.volatile);
  rmSync(layout.volatile, { recursive: true, force: true });
  rmSync(layout.run, { recursive: true, force: true });
  removeIfEmpty(VOLATILE_ROOT);
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Another cluster still has its folder there.
  }
}

/** SIGTERM, a grace period, then SIGKILL; resolves once all are gone. */
export async function stopProcesses(processes: readonly ProcessIdentity[], clock: Clock): Promise<void> {
  for (const one of processes) signalProcess(one, "SIGTERM");
  const deadline = clock.monotonic() + STOP_GRACE_MS;
  while (processes.some(isAlive) && clock.monotonic() < deadline) await clock.sleep(POLL_MS);
  for (const one of processes) signalProcess(one, "SIGKILL");
  while (processes.some(isAlive)) await clock.sleep(POLL_MS);
}

// Containers' processes are in the cluster's cgroups, everything else in its namespaces too. A shim that dies may leave a
// new orphan behind, so this looks again until nobody is found.
async function killLeftovers(layout: Layout, clock: Clock): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    const found = leftovers(layout);
    if (found.length === 0) return;
    for (const one of found) signalProcess(one, "SIGKILL");
    const deadline = clock.monotonic() + 2000;
    while (found.some(isAlive) && clock.monotonic() < deadline) await clock.sleep(POLL_MS);
  }
}

/** By cgroup and by network namespace: a process that left one of the two is found by the other. */
function leftovers(layout: Layout): ProcessIdentity[] {
  const pids = pidsBelow(layout.cgroup);
  const namespaces = new Set(namespacesOf(layout).map((name) => inodeOf(join(NETNS_FOLDER, name))));
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const namespace = namespaceInode(entry);
    if (namespace !== undefined && namespaces.has(namespace)) pids.add(Number(entry));
  }
  pids.delete(process.pid);
  return [...pids].flatMap((pid) => identifyProcess(pid) ?? []);
}

function inodeOf(path: string): number {
  return statSync(path).ino;
}

/** Undefined for a process that is gone by now. */
function namespaceInode(pid: string): number | undefined {
  try {
    return Number(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1]);
  } catch {
    return undefined;
  }
}

/** The mount points below any of the folders, innermost first, in the text of /proc/self/mountinfo. */
export function mountsBelow(mountInfo: string, folders: readonly string[]): string[] {
  return mountInfo
    .split("\n")
    .map((line) => (line.split(" ")[4] ?? "").replaceAll("\\040", " "))
    .filter((mount) => folders.some((folder) => mount.startsWith(`${folder}/`)))
    .reverse();
}

async function unmountBelow(folders: readonly string[]): Promise<void> {
  for (const mount of mountsBelow(readFileSync("/proc/self/mountinfo", "utf8"), folders)) {
    const { code } = await runCommand("umount", [mount]);
    if (code !== 0) await runCommand("umount", ["--lazy", mount]);
  }
}

// The kernel empties the cgroup of a killed process a moment after it is gone.
async function removeAllCgroups(layout: Layout, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + 3000;
  while (removeCgroups(layout.cgroup).length > 0 && clock.monotonic() < deadline) await clock.sleep(POLL_MS);
}

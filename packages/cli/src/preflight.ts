// What must hold before a cluster can start, each failure in words that say what to do.
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { delimiter, join } from "node:path";
import { cgroupHierarchies } from "./node/cgroups.ts";
import { CNI_BIN_DIRS } from "./node/prepare-node.ts";
import { UserError } from "./user-error.ts";

/** A program that must be on the machine, and the Debian package that brings it. */
const NEEDED_PROGRAMS: Readonly<Record<string, string>> = {
  etcd: "etcd-server",
  containerd: "containerd",
  ctr: "containerd",
  runc: "runc",
  ip: "iproute2",
  iptables: "iptables",
  "iptables-restore": "iptables",
  conntrack: "conntrack",
  nsenter: "util-linux",
  mount: "mount",
};

/** Throws UserError for the first thing that is wrong; `path` is the PATH variable. Returns the CNI plugins' folder. */
export function checkMachine(path: string): string {
  if (process.getuid?.() !== 0) {
    throw new UserError("a cluster needs root: it makes network namespaces, cgroups and mounts", "run it with sudo");
  }
  // All of them at once: one command line then mends it.
  const missing = missingPackages(path);
  if (missing.length > 0) {
    throw new UserError(`missing on this machine: ${missing.join(", ")}`, `apt-get install ${missing.join(" ")}`);
  }
  checkKernel();
  return CNI_BIN_DIRS.find((folder) => existsSync(join(folder, "bridge")))!;
}

/** The Debian packages whose programs are not there. */
export function missingPackages(path: string): string[] {
  const folders = path.split(delimiter).filter(Boolean);
  const missing = new Set<string>();
  for (const [program, debianPackage] of Object.entries(NEEDED_PROGRAMS)) {
    if (!folders.some((folder) => existsSync(join(folder, program)))) missing.add(debianPackage);
  }
  if (!CNI_BIN_DIRS.some((folder) => existsSync(join(folder, "bridge")))) missing.add("containernetworking-plugins");
  return [...missing];
}

function checkKernel(): void {
  if (!existsSync("/proc/self/ns/net")) {
    throw new UserError(
      "this kernel has no network namespaces (CONFIG_NET_NS)",
      "nodes cannot be told apart without them",
    );
  }
  const hierarchies = cgroupHierarchies();
  const onV1 = hierarchies.flatMap((hierarchy) => hierarchy.controllers);
  const onV2 = hierarchies
    .filter((hierarchy) => hierarchy.version === 2)
    .flatMap((hierarchy) => readFileSync(join(hierarchy.mountPoint, "cgroup.controllers"), "utf8").trim().split(" "));
  const lacking = ["cpu", "memory", "pids"].filter((name) => !onV1.includes(name) && !onV2.includes(name));
  if (lacking.length > 0) {
    throw new UserError(
      `no cgroup hierarchy offers the controllers ${lacking.join(", ")}`,
      "containers' limits and the kubelet's figures need them: mount /sys/fs/cgroup with all controllers",
    );
  }
}

/** Throws when somebody else listens on a TCP port of the host's loopback. */
export function checkPortFree(port: number): void {
  const inode = listenerInode(readFileSync("/proc/net/tcp", "utf8"), port) ?? listenerInode6(port);
  if (inode === undefined) return;
  const owner = ownerOfSocket(inode);
  throw new UserError(
    `port ${port} is in use${owner ? ` by ${owner}` : ""}`,
    "stop it, or choose another port with --api-port",
  );
}

/** The socket's inode of who listens on `port` at loopback or all addresses, in the text of /proc/net/tcp. */
export function listenerInode(table: string, port: number): string | undefined {
  const hexPort = port.toString(16).toUpperCase().padStart(4, "0");
  for (const line of table.split("\n").slice(1)) {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [address, localPort] = local.split(":");
    if (state === "0A" && localPort === hexPort && (address === "0100007F" || /^0+$/.test(address ?? ""))) return inode;
  }
  return undefined;
}

function listenerInode6(port: number): string | undefined {
  return existsSync("/proc/net/tcp6") ? listenerInode(readFileSync("/proc/net/tcp6", "utf8"), port) : undefined;
}

function ownerOfSocket(inode: string): string | undefined {
  const wanted = `socket:[${inode}]`;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const files = attempt(() => readdirSync(`/proc/${pid}/fd`)) ?? [];
    if (!files.some((fd) => attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`)) === wanted)) continue;
    return `${attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim()) ?? "a process"} (pid ${pid})`;
  }
  return undefined;
}

// Processes and their files come and go while /proc is read.
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

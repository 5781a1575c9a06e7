// Which sysctls a pod may set: the safe ones, and what the node's administrator has allowed beyond. Pure.
import type { Pod } from "@skiff/api/types.ts";

/** Namespaced, and harmless to other pods: upstream's list. */
const SAFE: ReadonlySet<string> = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_wmem",
]);

/** Sysctls that the kernel keeps per IPC namespace. Every `net.` one counts as being of the network namespace. */
const IPC_NAMES: ReadonlySet<string> = new Set(["kernel.sem"]);
const IPC_PREFIXES = ["kernel.shm", "kernel.msg", "fs.mqueue."];

/** Why the pod is turned away; undefined where its sysctls are fine. `allowed` may end in `*`. */
export function forbiddenSysctl(pod: Readonly<Pod>, allowed: readonly string[]): string | undefined {
  for (const { name: given } of pod.spec?.securityContext?.sysctls ?? []) {
    const name = dottedSysctl(given);
    const namespace = namespaceOf(name);
    // Without its own namespace a pod would set it for the whole node.
    if (namespace === "ipc" && pod.spec?.hostIPC)
      return `forbidden sysctl: ${JSON.stringify(name)} not allowed with host ipc enabled`;
    if (namespace === "net" && pod.spec?.hostNetwork)
      return `forbidden sysctl: ${JSON.stringify(name)} not allowed with host net enabled`;
    if (SAFE.has(name)) continue;
    if (!allowed.some((pattern) => matches(dottedSysctl(pattern), name))) {
      return `forbidden sysctl: ${JSON.stringify(name)} not allowlisted`;
    }
  }
  return undefined;
}

/** `net/ipv4/conf/eth0.100/x` as `net.ipv4.conf.eth0/100.x`: whichever comes first separates, the other is part of a name. */
export function dottedSysctl(name: string): string {
  if (/^[^/]*\./.test(name)) return name;
  return name.replace(/[./]/g, (char) => (char === "." ? "/" : "."));
}

function namespaceOf(name: string): "ipc" | "net" | undefined {
  if (IPC_NAMES.has(name) || IPC_PREFIXES.some((prefix) => name.startsWith(prefix))) return "ipc";
  return name.startsWith("net.") ? "net" : undefined;
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
}

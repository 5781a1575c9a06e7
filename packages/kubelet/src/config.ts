// The kubelet's flags, under upstream's names, as one validated object.

import { isIP } from "node:net";
import { hostname, networkInterfaces } from "node:os";
import type { Taint } from "@skiff/api/types.ts";
import { commonFlags, flag, parseFlags, UsageError } from "@skiff/component-base/flags.ts";

const FLAGS = {
  ...commonFlags,
  kubeconfig: flag.string("", "kubeconfig file with the address and the credentials for the API server"),
  "hostname-override": flag.string("", "name of the node, instead of the machine's host name"),
  "node-ip": flag.strings([], "addresses of the node"),
  "root-dir": flag.string("/var/lib/kubelet", "folder for the files of pods"),
  "container-runtime-endpoint": flag.string(
    "unix:///run/containerd/containerd.sock",
    "socket of the container runtime",
  ),
  "cgroup-root": flag.string("/", "cgroup under which kubepods lies"),
  "pod-log-dir": flag.string("/var/log/pods", "folder for the logs of containers"),
  "seccomp-profile-root": flag.string("", "folder of seccomp profiles; ROOT-DIR/seccomp unless told"),
  address: flag.string("0.0.0.0", "address of the HTTPS API"),
  port: flag.int(10250, "port of the HTTPS API"),
  "healthz-port": flag.int(10248, "port of /healthz; 0 for none"),
  "healthz-bind-address": flag.string("127.0.0.1", "address of /healthz"),
  "read-only-port": flag.int(0, "must be 0: an API without authentication is not served"),
  "tls-cert-file": flag.string("", "certificate of the HTTPS API"),
  "tls-private-key-file": flag.string("", "key of that certificate"),
  "client-ca-file": flag.string("", "CA of the certificates of callers"),
  "anonymous-auth": flag.bool(false, "let callers without credentials ask, as system:anonymous"),
  "cluster-dns": flag.strings([], "addresses of the cluster's DNS service"),
  "cluster-domain": flag.string("cluster.local", "domain of the cluster"),
  "resolv-conf": flag.string("/etc/resolv.conf", "resolver configuration of the node"),
  "max-pods": flag.int(110, "the most pods on this node"),
  "pod-max-pids": flag.int(-1, "the most processes of a pod; -1 for no limit"),
  "node-labels": flag.map({}, "labels of the node"),
  "register-node": flag.bool(true, "create the node's object"),
  "register-with-taints": flag.strings([], "taints of the node at its registration, as key=value:effect"),
  "node-status-update-frequency": flag.duration(10_000, "how often the node's status is looked at"),
  "pod-cidr": flag.string("", "addresses for pods, where the API does not say"),
} as const;

export type KubeletConfig = ReturnType<typeof parseConfig>;

/** Throws UsageError, which names the flag. */
export function parseConfig(argv: readonly string[]) {
  const flags = parseFlags("kubelet", argv, FLAGS);
  for (const name of ["kubeconfig", "tls-cert-file", "tls-private-key-file"] as const) {
    if (!flags[name]) throw new UsageError(`flag --${name} is required`);
  }
  if (flags["read-only-port"] !== 0) throw new UsageError("--read-only-port: only 0 is supported");
  if (!flags["container-runtime-endpoint"].startsWith("unix://")) {
    throw new UsageError('--container-runtime-endpoint must begin with "unix://"');
  }
  const nodeIps = flags["node-ip"].length > 0 ? flags["node-ip"] : defaultAddresses();
  for (const ip of nodeIps) if (isIP(ip) === 0) throw new UsageError(`--node-ip: "${ip}" is no IP address`);
  const machineName = hostname().toLowerCase();
  return Object.freeze({
    ...flags,
    machineName,
    nodeName: (flags["hostname-override"] || machineName).toLowerCase(),
    nodeIps,
    taints: flags["register-with-taints"].map(parseTaint),
  });
}

function defaultAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const found = all.find(({ family, internal }) => family === "IPv4" && !internal);
  if (!found) throw new UsageError("--node-ip is required: this machine has no address but loopback");
  return [found.address];
}

const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

function parseTaint(text: string): Taint {
  const [rest = "", effect = ""] = text.split(":");
  const [key = "", value] = rest.split("=");
  if (!key || !EFFECTS.includes(effect)) {
    throw new UsageError(`--register-with-taints: "${text}" is not of the form key=value:effect`);
  }
  return { key, effect, ...(value ? { value } : {}) };
}

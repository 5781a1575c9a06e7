// The one table of a cluster's programs: order, flags, health and privileges. `up`, the compose file and the systemd units
// are all made from it, so they cannot drift apart.
import type { Flags, NodePlace, Place } from "./place.ts";
import type { HealthProbe } from "./supervisor/health-probe.ts";

/** One program as it is everywhere; where it runs is a Place. */
export interface ProgramSpec {
  /** The program's name, as its users know it. */
  readonly name: string;
  readonly description: string;
  /** One for the control plane, or one on each node. */
  readonly scope: "control-plane" | "node";
  /** The bundle that a program of ours is in, run by Node; other programs come with the system's packages. */
  readonly bundle?: string;
  /** Flags of Node itself; those of a small program when absent. */
  readonly nodeFlags?: readonly string[];
  /** Programs that must be healthy before this one's first start. */
  readonly after: readonly string[];
  /** What it may do to the machine, for units and containers that can limit it. */
  readonly privileges: "none" | "network" | "machine";
  flags(place: Place): Flags;
  /** Absent where the program has no port of its own that the host can reach. */
  health?(place: Place): HealthSpec;
}

/** A probe whose TLS files are still paths. */
export type HealthSpec =
  | { readonly url: string; readonly ca?: string; readonly cert?: string; readonly key?: string }
  | Exclude<HealthProbe, { kind: "http" }>;

// These programs hold little for long and work in small steps: a small nursery and no helper threads for the collector cost
// them nothing and save tens of megabytes each.
const SMALL_NURSERY = ["--max-semi-space-size=2", "--single-threaded-gc", "--v8-pool-size=1"];

/** The collector also keeps close to what is in use: 10 MB less of the controller manager's 104. */
export const SMALL_FOOTPRINT = [...SMALL_NURSERY, "--optimize-for-size"];

/** In the order of their start. A program that is not in it runs nowhere. */
export const PROGRAMS: readonly ProgramSpec[] = [
  {
    name: "etcd",
    description: "the cluster's store",
    scope: "control-plane",
    after: [],
    privileges: "none",
    flags: etcdFlags,
    health: (place) => ({
      url: `https://${place.etcd}:2379/health`,
      ca: `${place.pki}/etcd/ca.crt`,
      cert: `${place.pki}/etcd/healthcheck-client.crt`,
      key: `${place.pki}/etcd/healthcheck-client.key`,
    }),
  },
  {
    name: "kube-apiserver",
    description: "the Kubernetes API",
    scope: "control-plane",
    bundle: "kube-apiserver",
    // Every request leaves garbage behind, and a nursery of this size takes it as cheaply as Node's own, which is eight
    // times as large and never given back (docs/bench/apiserver.md).
    nodeFlags: ["--max-semi-space-size=4"],
    after: ["etcd"],
    privileges: "none",
    flags: apiserverFlags,
    health: (place) => ({ url: `https://${place.controlPlane}:6443/readyz`, ca: `${place.pki}/ca.crt` }),
  },
  {
    name: "kube-scheduler",
    description: "places pods on nodes",
    scope: "control-plane",
    bundle: "kube-scheduler",
    // Its cycles are arithmetic over all nodes, which wants the compiler's full effort.
    nodeFlags: SMALL_NURSERY,
    after: ["kube-apiserver"],
    privileges: "none",
    flags: (place) => ({
      kubeconfig: place.kubeconfig("scheduler"),
      ...secureServing(place, "scheduler"),
    }),
    health: (place) => ({ url: `https://${place.controlPlane}:10259/healthz`, ca: `${place.pki}/ca.crt` }),
  },
  {
    name: "kube-controller-manager",
    description: "the control loops",
    scope: "control-plane",
    bundle: "kube-controller-manager",
    after: ["kube-apiserver"],
    privileges: "none",
    flags: controllerManagerFlags,
    health: (place) => ({ url: `https://${place.controlPlane}:10257/healthz`, ca: `${place.pki}/ca.crt` }),
  },
  {
    name: "pod-routes",
    description: "leads the control plane and the host to the pods",
    scope: "control-plane",
    bundle: "node-network",
    after: ["kube-apiserver"],
    privileges: "network",
    // Without a CNI folder node-network has no pods of its own, and only keeps the routes to those of the nodes.
    flags: (place) => ({
      kubeconfig: place.kubeconfig("node-network"),
      "hostname-override": "control-plane",
      "cni-conf-dir": "",
      "cluster-cidr": place.podRange,
      mode: "routes",
    }),
  },
  {
    name: "containerd",
    description: "runs containers",
    scope: "node",
    after: [],
    privileges: "machine",
    flags: (place) => ({ config: nodeOf(place).containerdConfig }),
    health: (place) => ({ kind: "unix", path: nodeOf(place).containerdSocket }),
  },
  {
    name: "node-network",
    description: "joins the pods of all nodes",
    scope: "node",
    bundle: "node-network",
    after: ["kube-apiserver"],
    privileges: "network",
    flags: nodeNetworkFlags,
  },
  {
    name: "kubelet",
    description: "runs the pods of its node",
    scope: "node",
    bundle: "kubelet",
    after: ["containerd", "kube-apiserver"],
    privileges: "machine",
    flags: kubeletFlags,
    health: (place) => ({ kind: "tcp", host: nodeOf(place).address, port: 10250 }),
  },
  {
    name: "kube-proxy",
    description: "makes Services reachable",
    scope: "node",
    bundle: "kube-proxy",
    after: ["kube-apiserver"],
    privileges: "network",
    flags: (place) => ({
      kubeconfig: place.kubeconfig("kube-proxy"),
      "hostname-override": nodeOf(place).name,
      "cluster-cidr": place.podRange,
    }),
    health: (place) => ({ url: `http://${nodeOf(place).address}:10256/healthz` }),
  },
];

/** The table's entry; throws for a name that is not in it. */
export function programNamed(name: string): ProgramSpec {
  const found = PROGRAMS.find((program) => program.name === name);
  if (!found) throw new Error(`no program is called ${name}`);
  return found;
}

/** The words that start a program at a place: a bundle of ours by Node with the flags it needs, others by their name. */
export function programCommand(
  program: ProgramSpec,
  place: Place,
  { nodeBinary, bundles }: { readonly nodeBinary: string; readonly bundles: string },
): [command: string, ...args: string[]] {
  const { name, bundle, nodeFlags = SMALL_FOOTPRINT } = program;
  const flags = renderFlags(program.flags(place));
  return bundle ? [nodeBinary, ...nodeFlags, `${bundles}/${bundle}.mjs`, ...flags] : [name, ...flags];
}

/** Environment of every program of ours. glibc would keep an arena per thread, which costs each some megabytes for nothing. */
export const PROGRAM_ENVIRONMENT = {
  MALLOC_ARENA_MAX: "2",
  // glibc keeps freed blocks up to a size that it raises with use: compiling at the start would leave 7 MB behind for ever.
  MALLOC_MMAP_THRESHOLD_: "65536",
  MALLOC_TRIM_THRESHOLD_: "65536",
};

/** Flags as words of a command line: `--name=value`, repeated for lists. */
export function renderFlags(flags: Flags): string[] {
  return Object.entries(flags).flatMap(([name, value]) =>
    (Array.isArray(value) ? (value as readonly string[]) : [value]).map((item) => `--${name}=${item}`),
  );
}

function etcdFlags({ pki, etcd, etcdData }: Place): Flags {
  return {
    name: "skiff",
    "data-dir": etcdData,
    "listen-client-urls": `https://127.0.0.1:2379,https://${etcd}:2379`,
    "advertise-client-urls": `https://${etcd}:2379`,
    "listen-peer-urls": `https://${etcd}:2380`,
    "initial-advertise-peer-urls": `https://${etcd}:2380`,
    "initial-cluster": `skiff=https://${etcd}:2380`,
    "client-cert-auth": "true",
    "cert-file": `${pki}/etcd/server.crt`,
    "key-file": `${pki}/etcd/server.key`,
    "trusted-ca-file": `${pki}/etcd/ca.crt`,
    "peer-client-cert-auth": "true",
    "peer-cert-file": `${pki}/etcd/peer.crt`,
    "peer-key-file": `${pki}/etcd/peer.key`,
    "peer-trusted-ca-file": `${pki}/etcd/ca.crt`,
    // The most that etcd recommends; its default is 2 GB.
    "quota-backend-bytes": String(8 * 1024 ** 3),
    // A lone member waits an election timeout before it elects itself, and has nobody to lose an election to.
    "heartbeat-interval": "20",
    "election-timeout": "200",
    logger: "zap",
  };
}

function apiserverFlags({ pki, controlPlane, etcd, serviceRange }: Place): Flags {
  return {
    "advertise-address": controlPlane,
    "bind-address": "0.0.0.0",
    "secure-port": "6443",
    "etcd-servers": `https://${etcd}:2379`,
    "etcd-cafile": `${pki}/etcd/ca.crt`,
    "etcd-certfile": `${pki}/apiserver-etcd-client.crt`,
    "etcd-keyfile": `${pki}/apiserver-etcd-client.key`,
    "tls-cert-file": `${pki}/apiserver.crt`,
    "tls-private-key-file": `${pki}/apiserver.key`,
    "client-ca-file": `${pki}/ca.crt`,
    "service-account-key-file": `${pki}/sa.pub`,
    "service-account-signing-key-file": `${pki}/sa.key`,
    "service-account-issuer": "https://kubernetes.default.svc.cluster.local",
    "service-cluster-ip-range": serviceRange,
    // The node authorizer first: what a kubelet may read depends on the pods it has, which no role can say.
    "authorization-mode": "Node,RBAC",
    "enable-bootstrap-token-auth": "true",
    "kubelet-client-certificate": `${pki}/apiserver-kubelet-client.crt`,
    "kubelet-client-key": `${pki}/apiserver-kubelet-client.key`,
    "kubelet-certificate-authority": `${pki}/ca.crt`,
    "requestheader-client-ca-file": `${pki}/front-proxy-ca.crt`,
    // Whoever holds a certificate of the front proxy's CA may say for whom it speaks, so only one name may.
    "requestheader-allowed-names": "front-proxy-client",
    "requestheader-username-headers": "X-Remote-User",
    "requestheader-group-headers": "X-Remote-Group",
    "requestheader-extra-headers-prefix": "X-Remote-Extra-",
    "proxy-client-cert-file": `${pki}/front-proxy-client.crt`,
    "proxy-client-key-file": `${pki}/front-proxy-client.key`,
  };
}

function controllerManagerFlags(place: Place): Flags {
  return {
    kubeconfig: place.kubeconfig("controller-manager"),
    ...secureServing(place, "controller-manager"),
    "allocate-node-cidrs": "true",
    "cluster-cidr": place.podRange,
    // 254 addresses for each node's pods, of which a kubelet runs 110 by default.
    "node-cidr-mask-size": "24",
    "service-cluster-ip-range": place.serviceRange,
    "root-ca-file": `${place.pki}/ca.crt`,
    "service-account-private-key-file": `${place.pki}/sa.key`,
    "cluster-signing-cert-file": `${place.pki}/ca.crt`,
    "cluster-signing-key-file": `${place.pki}/ca.key`,
  };
}

function secureServing({ pki }: Place, name: string): Flags {
  return {
    "bind-address": "0.0.0.0",
    "tls-cert-file": `${pki}/${name}.crt`,
    "tls-private-key-file": `${pki}/${name}.key`,
    "client-ca-file": `${pki}/ca.crt`,
  };
}

function nodeNetworkFlags(place: Place): Flags {
  const node = nodeOf(place);
  return {
    kubeconfig: place.kubeconfig("node-network"),
    "hostname-override": node.name,
    "cni-conf-dir": node.cniConfDir,
    "cni-data-dir": node.cniDataDir,
    "cluster-cidr": place.podRange,
    mode: place.networkMode,
  };
}

function kubeletFlags(place: Place): Flags {
  const node = nodeOf(place);
  return {
    kubeconfig: place.kubeconfig(`kubelet-${node.name}`),
    "hostname-override": node.name,
    "node-ip": node.address,
    "root-dir": node.kubeletRoot,
    "pod-log-dir": node.podLogs,
    "container-runtime-endpoint": `unix://${node.containerdSocket}`,
    "cgroup-root": node.cgroup,
    "client-ca-file": `${place.pki}/ca.crt`,
    "tls-cert-file": `${place.pki}/kubelet-${node.name}.crt`,
    "tls-private-key-file": `${place.pki}/kubelet-${node.name}.key`,
    "resolv-conf": node.resolvConf,
    "cluster-domain": "cluster.local",
  };
}

function nodeOf(place: Place): NodePlace {
  if (!place.node) throw new Error("this program runs on a node, and the place is none");
  return place.node;
}

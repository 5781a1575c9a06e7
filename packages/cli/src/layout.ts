// Where a cluster keeps its things: everything is derived from the path of its state folder.
import { createHash } from "node:crypto";
import { join } from "node:path";

/** Absolute paths and names; two clusters share none of them. */
export interface Layout {
  /** Absolute. */
  readonly state: string;
  /** Six hex digits of the state path's hash; part of every name that the machine sees. */
  readonly id: string;
  readonly pki: string;
  readonly kubeconfigs: string;
  /** The administrator's kubeconfig. */
  readonly adminKubeconfig: string;
  readonly etcdData: string;
  readonly logs: string;
  /** One JSON file per running program. */
  readonly run: string;
  readonly images: string;
  readonly record: string;
  /** In memory, so that sockets have short paths and are gone after a reboot. */
  readonly volatile: string;
  /** Below the root of every cgroup hierarchy. */
  readonly cgroup: string;
  /** The namespace of the control plane, which is the nodes' switch as well. */
  readonly switchNamespace: string;
  /** The host's end of the link to the cluster. */
  readonly hostLink: string;
}

/** One node's share of the same: folders that it would have to itself on a machine of its own. */
export interface NodeLayout {
  readonly name: string;
  readonly root: string;
  readonly containerdRoot: string;
  readonly containerdState: string;
  readonly containerdSocket: string;
  readonly containerdConfig: string;
  readonly containerdOpt: string;
  readonly kubeletRoot: string;
  readonly podLogs: string;
  readonly cniConf: string;
  /** Which addresses are taken. No pod outlives a reboot, and so should no entry here. */
  readonly cniData: string;
  readonly cgroup: string;
  readonly namespace: string;
  readonly volatile: string;
}

/** The namespaces' folder, as `ip netns` keeps it. */
export const NETNS_FOLDER = "/run/netns";
/** One folder in it for each cluster, in memory. */
export const VOLATILE_ROOT = "/run/skiff";

/** `state` is absolute. */
export function layoutOf(state: string): Layout {
  // Two checkouts on one machine differ in their paths, and so in every name that they take.
  const id = createHash("sha256").update(state).digest("hex").slice(0, 6);
  return {
    state,
    id,
    pki: join(state, "pki"),
    kubeconfigs: join(state, "kubeconfigs"),
    adminKubeconfig: join(state, "kubeconfig"),
    etcdData: join(state, "etcd"),
    logs: join(state, "logs"),
    run: join(state, "run"),
    images: join(state, "images"),
    record: join(state, "cluster.json"),
    volatile: join(VOLATILE_ROOT, id),
    cgroup: `/skiff-${id}`,
    switchNamespace: `skiff-${id}`,
    hostLink: `skiff-${id}`,
  };
}

/** Nothing is looked at on disk: a node that was never made has a layout too. */
export function nodeLayoutOf(layout: Layout, name: string): NodeLayout {
  const root = join(layout.state, "nodes", name);
  const volatile = join(layout.volatile, name);
  return {
    name,
    root,
    volatile,
    containerdRoot: join(root, "containerd"),
    containerdState: join(volatile, "containerd"),
    containerdSocket: join(volatile, "containerd.sock"),
    containerdConfig: join(root, "containerd.toml"),
    containerdOpt: join(root, "opt"),
    kubeletRoot: join(root, "kubelet"),
    podLogs: join(root, "pod-logs"),
    cniConf: join(root, "cni", "net.d"),
    cniData: join(volatile, "cni-networks"),
    cgroup: `${layout.cgroup}/${name}`,
    namespace: `skiff-${layout.id}-${name}`,
  };
}

/** `node-1`, `node-2` … */
export function nodeNames(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `node-${index + 1}`);
}

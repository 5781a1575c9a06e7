// The cluster that docker-compose.yml describes: its containers, their addresses, and where the programs in them find things.
import type { NodeLayout } from "../layout.ts";
import type { ClusterNames } from "../pki/certificate-list.ts";
import type { Place } from "../place.ts";
import { PROGRAMS, renderFlags } from "../programs.ts";

/** One service of the compose file. */
export interface ComposeContainer {
  readonly name: string;
  /** The last byte of its address in the containers' network. */
  readonly host: number;
  /** Names of the table's programs that run in it. */
  readonly programs: readonly string[];
  /** Shares the network of another container and has no address of its own. */
  readonly networkOf?: string;
}

/** Certificates and kubeconfigs inside every container: only those that its own programs name. */
export const CREDENTIALS = "/etc/skiff";
/** kubeadm's usual ranges; containers have a network of their own, so nothing of the host's can be in the way. */
const POD_RANGE = "10.244.0.0/16";
const SERVICE_RANGE = "10.96.0.0/16";
/** The ClusterIP of the Service `kubernetes`: always the first of the range. */
export const API_SERVICE = "10.96.0.1";
/** Containers that are nodes. */
export const WORKERS = ["worker-1", "worker-2"] as const;

const ETCD_HOST = 10;
const APISERVER_HOST = 11;
const FIRST_WORKER_HOST = 21;

/** In the order in which the file lists them. */
export const CONTAINERS: readonly ComposeContainer[] = [
  { name: "etcd", host: ETCD_HOST, programs: ["etcd"] },
  { name: "kube-apiserver", host: APISERVER_HOST, programs: ["kube-apiserver"] },
  { name: "kube-scheduler", host: 12, programs: ["kube-scheduler"] },
  { name: "kube-controller-manager", host: 13, programs: ["kube-controller-manager"] },
  { name: "pod-routes", host: APISERVER_HOST, programs: ["pod-routes"], networkOf: "kube-apiserver" },
  ...WORKERS.map((name, index) => ({
    name,
    host: FIRST_WORKER_HOST + index,
    programs: PROGRAMS.filter((program) => program.scope === "node").map((program) => program.name),
  })),
];

/** What the person who starts it may choose. */
export interface ComposeSettings {
  /** The first three bytes of the containers' network. */
  readonly subnet: string;
  readonly networkMode: string;
}

/** Throws for a name that is no container's. */
export function containerNamed(name: string): ComposeContainer {
  const found = CONTAINERS.find((container) => container.name === name);
  if (!found) throw new Error(`no container is called ${name}: there are ${CONTAINERS.map((c) => c.name).join(", ")}`);
  return found;
}

/** Fixed addresses, so that certificates can be made before any container runs. */
export function addressOf(name: string, { subnet }: ComposeSettings): string {
  return `${subnet}.${containerNamed(name).host}`;
}

/** Where the container's programs run. Settings may be texts with variables that compose fills in. */
export function composePlace(container: ComposeContainer, { subnet, networkMode }: ComposeSettings): Place {
  const own = addressOf(container.name, { subnet, networkMode });
  const place: Place = {
    pki: `${CREDENTIALS}/pki`,
    kubeconfig: (name) => `${CREDENTIALS}/kubeconfigs/${name}.conf`,
    controlPlane: own,
    etcd: `${subnet}.${ETCD_HOST}`,
    etcdData: "/var/lib/skiff/etcd",
    podRange: POD_RANGE,
    serviceRange: SERVICE_RANGE,
    networkMode: networkMode as Place["networkMode"],
  };
  if (!isWorker(container)) return place;
  const { kubeletRoot, podLogs, containerdConfig, containerdSocket, cniConf, cniData, cgroup } = WORKER_LAYOUT;
  const node = { name: container.name, address: own, kubeletRoot, podLogs, containerdConfig, containerdSocket };
  const rest = { cniConfDir: cniConf, cniDataDir: cniData, cgroup, resolvConf: WORKER_RESOLV_CONF };
  return { ...place, node: { ...node, ...rest } };
}

/** Whether the container is a node. */
export function isWorker({ name }: ComposeContainer): boolean {
  return (WORKERS as readonly string[]).includes(name);
}

/** Made by the worker itself: Docker's own names a server on loopback, where a pod finds nobody. */
export const WORKER_RESOLV_CONF = "/run/skiff/resolv.conf";

/** A worker container is a machine of its own, so everything lies where a machine has it. */
export const WORKER_LAYOUT: Omit<NodeLayout, "name"> = {
  root: "/var/lib/skiff",
  volatile: "/run/skiff",
  containerdRoot: "/var/lib/containerd",
  containerdState: "/run/containerd",
  containerdSocket: "/run/containerd/containerd.sock",
  containerdConfig: "/etc/containerd/config.toml",
  containerdOpt: "/var/lib/containerd-opt",
  kubeletRoot: "/var/lib/kubelet",
  podLogs: "/var/log/pods",
  cniConf: "/etc/cni/net.d",
  cniData: "/var/lib/cni/networks",
  cgroup: "/",
  namespace: "",
};

/** For the certificates. Containers are found by their names as well. */
export function composeNames(subnet: string): ClusterNames {
  const controlPlane = CONTAINERS.filter((container) => !isWorker(container) && !container.networkOf);
  return {
    controlPlaneAddresses: controlPlane.map(({ host }) => `${subnet}.${host}`),
    controlPlaneNames: controlPlane.map(({ name }) => name),
    apiService: API_SERVICE,
    nodes: CONTAINERS.filter(isWorker).map(({ name, host }) => ({ name, addresses: [`${subnet}.${host}`] })),
  };
}

/** As the programs in containers reach it; the host has a forwarded port. */
export function apiServerUrl(subnet: string): string {
  return `https://${subnet}.${APISERVER_HOST}:6443`;
}

/** The files below CREDENTIALS that a container's programs and probes name, relative to it. */
export function credentialsOf(container: ComposeContainer): string[] {
  const place = composePlace(container, { subnet: "0.0.0", networkMode: "routes" });
  const programs = PROGRAMS.filter((program) => container.programs.includes(program.name));
  const words = programs.flatMap((program) => [
    ...renderFlags(program.flags(place)).map((word) => word.slice(word.indexOf("=") + 1)),
    ...Object.values(program.health?.(place) ?? {}).map(String),
  ]);
  const files = words.filter((word) => word.startsWith(`${CREDENTIALS}/`));
  return [...new Set(files.map((file) => file.slice(CREDENTIALS.length + 1)))].sort();
}

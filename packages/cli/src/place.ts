// Where a program runs: the paths and addresses that its flags name. Each way of starting Skiff describes its own places.

/** Flag names without dashes; a list is a repeated flag. */
export type Flags = Readonly<Record<string, string | readonly string[]>>;

/** What differs between `up`, containers and systemd; everything else about a program is in the table. */
export interface Place {
  /** Folder of certificates and keys, laid out as kubeadm does. */
  readonly pki: string;
  kubeconfig(name: string): string;
  /** Address of the control plane's programs: of the apiserver above all. */
  readonly controlPlane: string;
  /** Address of etcd, often the same. */
  readonly etcd: string;
  readonly etcdData: string;
  readonly podRange: string;
  readonly serviceRange: string;
  readonly networkMode: "routes" | "vxlan";
  readonly node?: NodePlace;
}

/** The parts that only programs on a node have. */
export interface NodePlace {
  readonly name: string;
  readonly address: string;
  readonly containerdConfig: string;
  readonly containerdSocket: string;
  readonly kubeletRoot: string;
  readonly podLogs: string;
  readonly cniConfDir: string;
  readonly cniDataDir: string;
  readonly cgroup: string;
  readonly resolvConf: string;
}

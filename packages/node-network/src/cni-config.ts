// The CNI configuration of this node: what containerd runs to connect a pod.

export interface CniOptions {
  readonly podCidr: string;
  /** Where host-local notes which address it gave to which container. */
  readonly dataDir: string;
  /** Of the pods' interfaces, in bytes. */
  readonly mtu: number;
}

/**
 * A veth pair per pod that is routed, not bridged: every packet passes the node's own routing and iptables, so that Services
 * work between pods of one node without the kernel's bridge netfilter, which not every kernel has.
 */
export function cniConfig({ podCidr, dataDir, mtu }: CniOptions): string {
  const config = {
    cniVersion: "0.4.0",
    name: "skiff",
    plugins: [
      {
        type: "ptp",
        mtu,
        // Masquerading is node-network's own rule, which knows the whole cluster's range.
        ipMasq: false,
        ipam: {
          type: "host-local",
          dataDir,
          ranges: [[{ subnet: podCidr }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
      // hostPort of containers. `snat` lets a pod reach itself through its node's address.
      { type: "portmap", capabilities: { portMappings: true }, snat: true },
    ],
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

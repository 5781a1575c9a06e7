// Which routes, neighbours and forwarding entries this node needs so that its pods reach those of the other nodes.
import type { Node } from "@skiff/api/types.ts";

/** One pod range of another node, and the node's own address. */
export interface Peer {
  readonly node: string;
  readonly address: string;
  readonly podCidr: string;
}

/** Lines for `ip -batch` (each without "route replace" and the like), as texts that compare. */
export interface NetworkPlan {
  /** Destination → the rest of the route: `10.244.1.0/24` → `via 10.0.0.3`. */
  readonly routes: ReadonlyMap<string, string>;
  /** VXLAN only: the tunnel ends by the address that their routes go through. */
  readonly tunnels: readonly Tunnel[];
}

export interface Tunnel {
  /** The other end's address inside the overlay: the first of its pod range. */
  readonly overlayAddress: string;
  readonly mac: string;
  readonly nodeAddress: string;
}

/** Peers with an IPv4 range and an internal address; nodes that have not got theirs yet come with a later event. */
export function peersOf(nodes: readonly Readonly<Node>[], self: string): Peer[] {
  const peers: Peer[] = [];
  for (const node of nodes) {
    const address = internalAddress(node);
    if (node.metadata.name === self || !address) continue;
    const podCidrs = node.spec.podCIDRs ?? (node.spec.podCIDR ? [node.spec.podCIDR] : []);
    for (const podCidr of podCidrs.filter(isIpv4)) peers.push({ node: node.metadata.name, address, podCidr });
  }
  return peers.sort((a, b) => (a.podCidr < b.podCidr ? -1 : 1));
}

/** The first IPv4 InternalIP, which is where the node's kubelet says that other nodes reach it. */
export function internalAddress(node: Readonly<Node>): string | undefined {
  return node.status?.addresses?.find((entry) => entry.type === "InternalIP" && isIpv4(entry.address))?.address;
}

/** Nodes that share a link: the other node is the next hop. Peers by different routers need VXLAN. */
export function planRoutes(peers: readonly Peer[]): NetworkPlan {
  return { routes: new Map(peers.map((peer) => [peer.podCidr, `via ${peer.address}`])), tunnels: [] };
}

/** At most 15 characters, as the kernel names interfaces. */
export const VXLAN_DEVICE = "skiff.vxlan";

/** Nodes anywhere: packets go to the peer's end of the overlay, wrapped in UDP to its address. */
export function planVxlan(peers: readonly Peer[]): NetworkPlan {
  const tunnels = peers.map((peer) => ({
    overlayAddress: overlayAddress(peer.podCidr),
    mac: vxlanMac(peer.address),
    nodeAddress: peer.address,
  }));
  const routes = peers.map(
    (peer) => [peer.podCidr, `via ${overlayAddress(peer.podCidr)} dev ${VXLAN_DEVICE} onlink`] as const,
  );
  return { routes: new Map(routes), tunnels };
}

/** The range's own address, which no pod gets: the node's end of the overlay. */
export function overlayAddress(podCidr: string): string {
  return podCidr.split("/")[0] ?? podCidr;
}

/** A locally administered MAC that follows from the node's address, so that nodes need not tell each other theirs. */
export function vxlanMac(address: string): string {
  const bytes = address.split(".").map((part) => Number(part).toString(16).padStart(2, "0"));
  return ["02", "53", ...bytes].join(":");
}

function isIpv4(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}(\/\d+)?$/.test(text);
}

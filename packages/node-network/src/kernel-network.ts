// Makes the kernel's routes, tunnel and masquerading match the plan; everything of ours is marked, nothing else is touched.
import { writeFile } from "node:fs/promises";
import { commandOutput } from "@skiff/component-base/command.ts";
import type { NetworkPlan } from "./plan-network.ts";
import { overlayAddress, VXLAN_DEVICE, vxlanMac } from "./plan-network.ts";

/** The routing protocol number that marks our routes. Free in /etc/iproute2/rt_protos, and kept by the kernel with each route. */
const ROUTE_PROTOCOL = "83";
/** Linux's own default, older than IANA's 4789; flannel uses it too, so firewalls often let it through. */
const VXLAN_PORT = 8472;
const VXLAN_ID = 1;
/** Outer Ethernet (14), IPv4 (20), UDP (8) and VXLAN (8) headers. */
const VXLAN_HEADER_BYTES = 50;
const CHAIN = "SKIFF-POSTROUTING";

/** This node: its own address, and its range of pod addresses. */
export interface OwnNode {
  readonly address: string;
  readonly podCidr: string;
}

/** Forwarding between pods, and masquerading of what leaves the cluster's pod range. Idempotent. */
export async function prepareForwarding(clusterCidr: string, signal: AbortSignal): Promise<void> {
  await writeFile("/proc/sys/net/ipv4/ip_forward", "1");
  const jump = `-m comment --comment "pods of the cluster" -j ${CHAIN}`;
  const saved = await commandOutput("iptables-save", ["-t", "nat"], { signal });
  // Naming our chain empties it, so its rule is there once; the jump lies in a chain that others fill, and must be looked for.
  const lines = ["*nat", `:${CHAIN} - [0:0]`];
  if (!saved.includes(`-j ${CHAIN}`)) lines.push(`-A POSTROUTING ${jump}`);
  lines.push(
    `-A ${CHAIN} -m comment --comment "leaves the pod network" -s ${clusterCidr} ! -d ${clusterCidr} -j MASQUERADE --random-fully`,
    "COMMIT",
  );
  await commandOutput("iptables-restore", ["-w", "5", "--noflush"], { input: `${lines.join("\n")}\n`, signal });
}

/** MTU of the link that holds `address`; 1500 when it cannot be told. */
export async function linkMtu(address: string, signal: AbortSignal): Promise<number> {
  const links: { mtu?: number; addr_info?: { local?: string }[] }[] = JSON.parse(
    await commandOutput("ip", ["-j", "address"], { signal }),
  );
  return links.find((link) => link.addr_info?.some((info) => info.local === address))?.mtu ?? 1500;
}

/** What is left for a pod's packet on a link of that MTU. */
export function vxlanMtu(linkMtuBytes: number): number {
  return linkMtuBytes - VXLAN_HEADER_BYTES;
}

/** Routes to other nodes' pods; routes of ours that the plan does not know are removed. */
export async function applyRoutes(plan: NetworkPlan, signal: AbortSignal): Promise<void> {
  const current: { dst: string }[] = JSON.parse(
    (await commandOutput("ip", ["-j", "route", "show", "proto", ROUTE_PROTOCOL], { signal })) || "[]",
  );
  // `replace` adds or changes without a moment in which the pods behind the route cannot be reached.
  const batch = [...plan.routes].map(
    ([destination, rest]) => `route replace ${destination} ${rest} proto ${ROUTE_PROTOCOL}`,
  );
  for (const { dst } of current) {
    if (!plan.routes.has(dst)) batch.push(`route del ${dst} proto ${ROUTE_PROTOCOL}`);
  }
  if (batch.length > 0) await commandOutput("ip", ["-batch", "-"], { input: `${batch.join("\n")}\n`, signal });
}

/** The VXLAN device with a static neighbour and forwarding entry per peer: nothing is learned, so nothing is flooded. */
export async function applyTunnels(plan: NetworkPlan, own: OwnNode, mtu: number, signal: AbortSignal): Promise<void> {
  await ensureVxlanDevice(own, mtu, signal);
  const wanted = new Map(plan.tunnels.map((tunnel) => [tunnel.mac, tunnel]));
  const neighbours = plan.tunnels.map(
    (t) => `neigh replace ${t.overlayAddress} lladdr ${t.mac} dev ${VXLAN_DEVICE} nud permanent`,
  );
  const forwarding = plan.tunnels.map((t) => `fdb replace ${t.mac} dev ${VXLAN_DEVICE} dst ${t.nodeAddress}`);
  const entries: { mac: string; dst?: string }[] = JSON.parse(
    (await commandOutput("bridge", ["-j", "fdb", "show", "dev", VXLAN_DEVICE], { signal })) || "[]",
  );
  for (const { mac, dst } of entries) {
    // Without `dst` it is the device's own entry.
    if (dst && !wanted.has(mac)) forwarding.push(`fdb del ${mac} dev ${VXLAN_DEVICE} dst ${dst}`);
  }
  if (neighbours.length > 0)
    await commandOutput("ip", ["-batch", "-"], { input: `${neighbours.join("\n")}\n`, signal });
  if (forwarding.length > 0)
    await commandOutput("bridge", ["-batch", "-"], { input: `${forwarding.join("\n")}\n`, signal });
}

/** A device that fits is kept, with its entries: replacing it would cut the tunnels for a moment. */
async function ensureVxlanDevice(own: OwnNode, mtu: number, signal: AbortSignal): Promise<void> {
  const found = await vxlanLocal(signal);
  const batch: string[] = [];
  // A device keeps the address it was made with, so one of a node that moved has to go.
  if (found !== undefined && found !== own.address) batch.push(`link del ${VXLAN_DEVICE}`);
  if (found !== own.address) {
    batch.push(
      `link add ${VXLAN_DEVICE} address ${vxlanMac(own.address)} type vxlan id ${VXLAN_ID} local ${own.address} dstport ${VXLAN_PORT} nolearning`,
    );
  }
  batch.push(
    `link set ${VXLAN_DEVICE} mtu ${mtu} up`,
    `address replace ${overlayAddress(own.podCidr)}/32 dev ${VXLAN_DEVICE}`,
  );
  await commandOutput("ip", ["-batch", "-"], { input: `${batch.join("\n")}\n`, signal });
}

/** The address our device sends from; undefined when there is no device of that name. */
async function vxlanLocal(signal: AbortSignal): Promise<string | undefined> {
  const text = await commandOutput("ip", ["-d", "-j", "link", "show", "type", "vxlan"], { signal });
  const links: { ifname?: string; linkinfo?: { info_data?: { local?: string } } }[] = JSON.parse(text || "[]");
  const own = links.find((link) => link.ifname === VXLAN_DEVICE);
  return own && (own.linkinfo?.info_data?.local ?? "");
}

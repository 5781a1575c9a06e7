// Builds and removes a cluster's network: a switch namespace with a bridge, one namespace per node, one link to the host.
import { readdirSync } from "node:fs";
import { commandOutput, runCommand } from "@skiff/component-base/command.ts";
import type { Layout } from "../layout.ts";
import { NETNS_FOLDER } from "../layout.ts";
import { UserError } from "../user-error.ts";
import type { AddressPlan } from "./address-plan.ts";
import { nodeAddress } from "./address-plan.ts";

/** `nodes` are in the order of their addresses. */
export interface NetworkWish {
  readonly layout: Layout;
  readonly addresses: AddressPlan;
  readonly nodes: readonly { readonly name: string; readonly namespace: string }[];
  /** No default route in the namespaces, so nothing finds a way out. */
  readonly isolated: boolean;
  readonly mtu: number;
}

/** Makes the network from nothing; what an earlier boot or a crash left is removed first. */
export async function buildNetwork(wish: NetworkWish): Promise<void> {
  await removeNetwork(wish.layout);
  try {
    await commandOutput("ip", ["-batch", "-"], { input: hostCommands(wish).join("\n") });
  } catch (error) {
    throw explainNetworkError(error);
  }
  // The links are there now; what lies inside the namespaces depends on nothing else.
  await Promise.all([
    configureNamespace(wish.layout.switchNamespace, switchCommands(wish)),
    ...wish.nodes.map((node, index) => configureNamespace(node.namespace, nodeCommands(wish, index))),
  ]);
  await checkNat(wish.layout.switchNamespace);
}

// Asked inside the cluster: even to list a table loads modules and makes chains, and the host's are not ours.
async function checkNat(namespace: string): Promise<void> {
  const words = [`--net=${NETNS_FOLDER}/${namespace}`, "iptables", "-w", "-t", "nat", "-S"];
  const { code, stderr } = await runCommand("nsenter", words);
  if (code === 0) return;
  throw new UserError(
    `iptables cannot translate addresses on this kernel: ${stderr.trim()}`,
    "Services need it: CONFIG_NF_NAT with nf_tables or ip_tables, as modules or built in",
  );
}

/** Deletes the host's link (and its routes with it) and every namespace of the cluster. */
export async function removeNetwork(layout: Layout): Promise<void> {
  await runCommand("ip", ["link", "delete", layout.hostLink]);
  const namespaces = namespacesOf(layout);
  if (namespaces.length > 0) {
    const input = namespaces.map((name) => `netns delete ${name}`).join("\n");
    await runCommand("ip", ["-force", "-batch", "-"], { input });
  }
}

/** The names of the cluster's namespaces that exist now. */
export function namespacesOf(layout: Layout): string[] {
  try {
    const own = (name: string) => name === layout.switchNamespace || name.startsWith(`${layout.switchNamespace}-`);
    return readdirSync(NETNS_FOLDER).filter(own);
  } catch {
    return [];
  }
}

/** Links and namespaces as seen from the host; `ip -batch` takes one command per line. */
export function hostCommands({ layout, addresses, nodes, mtu }: NetworkWish): string[] {
  const link = layout.hostLink;
  return [
    `netns add ${layout.switchNamespace}`,
    ...nodes.map((node) => `netns add ${node.namespace}`),
    `link add ${link} mtu ${mtu} type veth peer name host mtu ${mtu} netns ${layout.switchNamespace}`,
    ...nodes.map(
      (node) =>
        `link add ${node.name} mtu ${mtu} netns ${layout.switchNamespace} type veth peer name eth0 mtu ${mtu} netns ${node.namespace}`,
    ),
    `link set ${link} addrgenmode none`,
    `address add ${addresses.host}/24 dev ${link}`,
    `link set ${link} up`,
    `route add ${addresses.pods} via ${addresses.controlPlane} dev ${link}`,
    // Any node translates a ClusterIP; the first one serves the host.
    `route add ${addresses.services} via ${nodeAddress(addresses, 0)} dev ${link}`,
    // Whatever else lies in the range goes into the cluster too, and ends there.
    `route add ${addresses.range} via ${addresses.controlPlane} dev ${link}`,
  ];
}

/** Untranslated Service addresses and pods nobody has are answered with "unreachable" by the switch. */
export function switchCommands({ addresses, nodes, isolated }: NetworkWish): string[] {
  return [
    "link set lo up",
    "link add br0 type bridge",
    ...["host", ...nodes.map((node) => node.name)].flatMap((port) => [
      `link set ${port} master br0`,
      `link set ${port} up`,
    ]),
    `address add ${addresses.controlPlane}/24 dev br0`,
    "link set br0 up",
    `route add unreachable ${addresses.range}`,
    ...(isolated ? [] : [`route add default via ${addresses.host}`]),
  ];
}

/** A node needs a route towards Services even when isolated: the kernel routes a packet before it translates it. */
export function nodeCommands({ addresses, isolated }: NetworkWish, index: number): string[] {
  return [
    "link set lo up",
    `address add ${nodeAddress(addresses, index)}/24 dev eth0`,
    "link set eth0 up",
    `route add ${addresses.range} via ${addresses.controlPlane}`,
    ...(isolated ? [] : [`route add default via ${addresses.host}`]),
  ];
}

async function configureNamespace(namespace: string, commands: readonly string[]): Promise<void> {
  await commandOutput("ip", ["-n", namespace, "-batch", "-"], { input: commands.join("\n") });
  await commandOutput("nsenter", [`--net=${NETNS_FOLDER}/${namespace}`, "sh", "-c", SYSCTLS]);
}

// Redirects would teach the host shorter ways that bypass the node's translation. The bridge knob exists only where
// br_netfilter is loaded: frames between nodes are no business of the switch's firewall.
const SYSCTLS = `
cd /proc/sys/net
echo 1 > ipv4/ip_forward
echo 0 > ipv4/conf/all/send_redirects
echo 0 > ipv4/conf/default/send_redirects
for f in ipv4/conf/*/send_redirects; do echo 0 > $f; done
for f in ipv4/conf/*/rp_filter; do echo 0 > $f; done
exit 0
`;

function explainNetworkError(error: unknown): unknown {
  const text = error instanceof Error ? error.message : String(error);
  if (/Unknown device type|not supported/i.test(text)) {
    return new UserError(`this kernel cannot make the cluster's links: ${text}`, "veth and bridge support is needed");
  }
  if (/Operation not permitted/i.test(text)) {
    return new UserError(
      "making network namespaces was refused",
      "run as root (sudo), with CAP_NET_ADMIN and CAP_SYS_ADMIN",
    );
  }
  return error;
}

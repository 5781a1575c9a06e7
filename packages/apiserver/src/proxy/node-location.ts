// Where a node's kubelet answers.
import { ApiError, notFound } from "@skiff/api/errors.ts";
import { nodes } from "@skiff/api/resource-ref.ts";
import type { Node } from "@skiff/api/types.ts";
import type { ObjectReader } from "../registry/object-access.ts";

/** Host is an address or a name, without brackets. */
export interface KubeletLocation {
  readonly host: string;
  readonly port: number;
}

/** The kubelet's --port by default, where its Node does not say another. */
const DEFAULT_PORT = 10250;
/** Inside before outside, since the apiserver is mostly in the nodes' network. */
const PREFERRED_TYPES = ["InternalIP", "Hostname", "InternalDNS", "ExternalIP", "ExternalDNS"];

/** Throws NotFound for an unknown node. */
export async function locateKubelet(
  reader: ObjectReader,
  nodeName: string,
  signal: AbortSignal,
): Promise<KubeletLocation> {
  const node = await reader.getLatest(nodes, "", nodeName, signal);
  if (!node) throw notFound(nodes, nodeName);
  return { host: preferredAddress(node), port: node.status?.daemonEndpoints?.kubeletEndpoint?.Port || DEFAULT_PORT };
}

/** The first address of the most wanted type. */
export function preferredAddress(node: Readonly<Node>): string {
  const addresses = node.status?.addresses ?? [];
  for (const type of PREFERRED_TYPES) {
    const found = addresses.find((address) => address.type === type && address.address);
    if (found) return found.address;
  }
  const known = addresses.map(({ type, address }) => `{${type} ${address}}`).join(" ");
  throw new ApiError(500, "", `no preferred addresses found; known addresses: [${known}]`);
}

// Stale UDP flows: the kernel would go on sending a client's datagrams to an endpoint that is gone.
import type { ServicePort } from "./service-ports.ts";

/** One `conntrack -D` to run: flows to a port, of `endpoint` only where that is given. */
export interface FlowDeletion {
  /** Empty for node ports, which clients reach at any address of the node. */
  readonly destination: string;
  readonly port: number;
  readonly endpoint: string | undefined;
}

/**
 * Flows to forget after going from `before` to `after`. TCP clients notice a reset by themselves, so only UDP counts.
 * After a restart `before` is empty: all flows to UDP Services are forgotten once, and cost their clients nothing but a new choice
 * of endpoint.
 */
export function planFlowDeletions(before: readonly ServicePort[], after: readonly ServicePort[]): FlowDeletion[] {
  const current = new Map(after.filter(isUdp).map((port) => [port.name, port]));
  const previous = new Map(before.filter(isUdp).map((port) => [port.name, port]));
  const deletions: FlowDeletion[] = [];
  for (const [name, old] of previous) {
    const kept = new Set(current.get(name)?.endpoints.map((endpoint) => endpoint.ip));
    const goneIps = new Set(old.endpoints.map((endpoint) => endpoint.ip).filter((ip) => !kept.has(ip)));
    for (const endpoint of goneIps) deletions.push(...doorsOf(old).map((door) => ({ ...door, endpoint })));
  }
  for (const [name, port] of current) {
    // Datagrams sent while there was no endpoint left flows behind that go nowhere.
    const hadNone = (previous.get(name)?.endpoints.length ?? 0) === 0;
    if (hadNone && port.endpoints.length > 0) {
      deletions.push(...doorsOf(port).map((door) => ({ ...door, endpoint: undefined })));
    }
  }
  return deletions;
}

/** Arguments of conntrack(8), which exits with 1 where there was no such flow. */
export function conntrackArguments({ destination, port, endpoint }: FlowDeletion): string[] {
  const to = destination ? ["--orig-dst", destination] : [];
  const via = endpoint ? ["--dst-nat", endpoint] : [];
  return ["-D", "-p", "udp", ...to, "--orig-port-dst", String(port), ...via];
}

/** Every address and port under which clients reach a Service port. */
function doorsOf({ clusterIp, port, nodePort, externalIps, loadBalancerIps }: ServicePort) {
  const doors = [clusterIp, ...externalIps, ...loadBalancerIps].map((destination) => ({ destination, port }));
  return nodePort > 0 ? [...doors, { destination: "", port: nodePort }] : doors;
}

function isUdp(port: ServicePort): boolean {
  return port.protocol === "udp";
}

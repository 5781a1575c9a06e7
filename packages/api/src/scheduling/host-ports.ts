// Ports that a pod takes on its node, and which of them exclude each other.
import type { Pod } from "../../generated/types.ts";
import { isSidecar } from "./resources.ts";

/** A port of the node that one container wants. */
export interface HostPort {
  readonly protocol: string;
  /** `0.0.0.0` for all addresses. */
  readonly ip: string;
  readonly port: number;
}

const ANY = "0.0.0.0";

/** Of containers and sidecars: init containers are gone before the pod's own ports matter. */
export function hostPortsOf(pod: Readonly<Pod>): HostPort[] {
  const sidecars = pod.spec.initContainers?.filter(isSidecar) ?? [];
  const found: HostPort[] = [];
  for (const container of [...pod.spec.containers, ...sidecars]) {
    for (const { hostPort, hostIP, protocol } of container.ports ?? []) {
      if (hostPort) found.push({ protocol: protocol || "TCP", ip: hostIP || ANY, port: hostPort });
    }
  }
  return found;
}

/** The same port of the same protocol, on addresses that overlap. */
function portsConflict(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === ANY || b.ip === ANY);
}

/** The first of `wanted` that cannot be had beside `used`, if any. */
export function findPortConflict(wanted: readonly HostPort[], used: Iterable<HostPort>): HostPort | undefined {
  for (const taken of used) {
    const conflict = wanted.find((port) => portsConflict(port, taken));
    if (conflict) return conflict;
  }
  return undefined;
}

// What updates of a Service keep: allocated addresses and ports that the writer left out, and nothing that its type has no use for.
import type { Service, ServicePort, ServiceSpec } from "../../../generated/types.ts";
import { deepEqual } from "../../validation/deep-equal.ts";
import { isExternallyAccessible } from "./defaults.ts";

/** Changes `next` only: puts back what was allocated, then takes away what its type has no use for. */
export function prepareServiceUpdate(next: Service, previous: Readonly<Service>): void {
  next.spec ??= {};
  patchAllocatedValues(next.spec, previous.spec ?? {});
  normalizeClusterIps(next, previous);
  dropUselessFields(next.spec, previous.spec ?? {});
}

// Which types have an address, node ports, and a port where nodes answer health checks of the balancer.
const takesClusterIp = ({ type }: Readonly<ServiceSpec>) => type !== "ExternalName";
const takesNodePort = ({ type }: Readonly<ServiceSpec>) => type === "NodePort" || type === "LoadBalancer";
const takesHealthPort = (spec: Readonly<ServiceSpec>) =>
  spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";

/** A manifest that is applied again does not name what the server chose. */
function patchAllocatedValues(next: ServiceSpec, previous: Readonly<ServiceSpec>): void {
  if (takesClusterIp(next) && takesClusterIp(previous)) {
    if (!next.clusterIP && !next.clusterIPs?.length) {
      if (previous.clusterIP) next.clusterIP = previous.clusterIP;
      if (previous.clusterIPs) next.clusterIPs = previous.clusterIPs;
    }
    next.ipFamilyPolicy ??= previous.ipFamilyPolicy;
    if (!next.ipFamilies?.length && next.ipFamilyPolicy === previous.ipFamilyPolicy)
      next.ipFamilies = previous.ipFamilies;
  }
  if (takesNodePort(next) && takesNodePort(previous)) patchNodePorts(next.ports ?? [], previous.ports ?? []);
  if (takesHealthPort(next) && takesHealthPort(previous) && previous.healthCheckNodePort) {
    next.healthCheckNodePort ||= previous.healthCheckNodePort;
  }
}

/** A port keeps its node port while its number and protocol stay, unless that is taken by another now. */
function patchNodePorts(next: readonly ServicePort[], previous: readonly ServicePort[]): void {
  // The writer may have given a port's old number to another.
  const used = new Set(next.map((port) => `${port.protocol}/${port.nodePort ?? 0}`));
  for (const port of next) {
    if (port.nodePort) continue;
    const before = previous.find((p) => p.port === port.port && p.protocol === port.protocol);
    if (!before?.nodePort || used.has(`${before.protocol}/${before.nodePort}`)) continue;
    port.nodePort = before.nodePort;
    used.add(`${before.protocol}/${before.nodePort}`);
  }
}

/** Old clients know `clusterIP` only, new ones `clusterIPs`: each follows the other where one alone was given or changed. */
export function normalizeClusterIps(next: Service, previous?: Readonly<Service>): void {
  next.spec ??= {};
  const spec = next.spec;
  if (!previous) {
    // A new Service from an old client; the opposite, a list without the single one, is for validation to refuse.
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
    return;
  }
  const before = previous.spec ?? {};
  const singleChanged = (spec.clusterIP ?? "") !== (before.clusterIP ?? "");
  const listChanged = !deepEqual(spec.clusterIPs, before.clusterIPs);
  if (!singleChanged || listChanged) return;
  if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP];
  else delete spec.clusterIPs;
}

/** A Service that changes its type loses what the new type cannot have, unless the writer changed that field as well. */
function dropUselessFields(next: ServiceSpec, previous: Readonly<ServiceSpec>): void {
  if (takesClusterIp(previous) && !takesClusterIp(next) && deepEqual(next.clusterIPs, previous.clusterIPs)) {
    for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] as const) delete next[field];
  }
  if (takesNodePort(previous) && !takesNodePort(next) && sameNodePorts(next, previous)) {
    for (const port of next.ports ?? []) delete port.nodePort;
  }
  const sameHealthPort = next.healthCheckNodePort === previous.healthCheckNodePort;
  if (takesHealthPort(previous) && !takesHealthPort(next) && sameHealthPort) delete next.healthCheckNodePort;
  if (previous.type === "LoadBalancer" && next.type !== "LoadBalancer") dropLoadBalancerFields(next, previous);
  if (previous.type === "ExternalName" && next.type !== "ExternalName" && next.externalName === previous.externalName) {
    delete next.externalName;
  }
  const samePolicy = next.externalTrafficPolicy === previous.externalTrafficPolicy;
  if (isExternallyAccessible(previous) && !isExternallyAccessible(next) && samePolicy)
    delete next.externalTrafficPolicy;
}

function dropLoadBalancerFields(next: ServiceSpec, previous: Readonly<ServiceSpec>): void {
  // What the writer changed in the same write stays, and is refused: dropping it in silence would hide the mistake.
  for (const field of ["allocateLoadBalancerNodePorts", "loadBalancerClass"] as const) {
    if (next[field] === previous[field]) delete next[field];
  }
}

/** Whether the writer left the node ports as they were, or left them out. */
function sameNodePorts(next: Readonly<ServiceSpec>, previous: Readonly<ServiceSpec>): boolean {
  const ports = (spec: Readonly<ServiceSpec>) => (spec.ports ?? []).map((port) => port.nodePort ?? 0);
  const before = new Set(ports(previous));
  return ports(next).every((port) => port === 0 || before.has(port));
}

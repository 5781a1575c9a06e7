// What a Service means where its writer said nothing. Addresses and node ports come from the allocators.
import type { Service, ServiceSpec } from "../../../generated/types.ts";

// Three hours.
const AFFINITY_SECONDS = 10_800;

/** Fills a Service in place. A `targetPort` that is left out is the port itself. */
export function defaultService(service: Service): void {
  service.spec ??= {};
  service.status ??= {};
  service.status.loadBalancer ??= {};
  const { spec } = service;
  spec.sessionAffinity ||= "None";
  defaultAffinity(spec);
  spec.type ||= "ClusterIP";
  for (const port of spec.ports ?? []) {
    port.protocol ||= "TCP";
    port.targetPort ||= port.port;
  }
  // "Cluster" takes any endpoint, and hides the client's address behind the node's.
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= "Cluster";
  if (spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
  if (spec.type === "LoadBalancer") {
    spec.allocateLoadBalancerNodePorts ??= true;
    for (const ingress of service.status.loadBalancer.ingress ?? []) if (ingress.ip) ingress.ipMode ??= "VIP";
  }
}

/** Settings of an affinity that is off are dropped; one that is on needs a time. */
function defaultAffinity(spec: ServiceSpec): void {
  if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity !== "ClientIP") return;
  spec.sessionAffinityConfig ??= {};
  spec.sessionAffinityConfig.clientIP ??= {};
  spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= AFFINITY_SECONDS;
}

/** Whether traffic may reach it from outside of the cluster. */
export function isExternallyAccessible(spec: Readonly<ServiceSpec>): boolean {
  if (spec.type === "NodePort" || spec.type === "LoadBalancer") return true;
  return spec.type === "ClusterIP" && Boolean(spec.externalIPs?.length);
}

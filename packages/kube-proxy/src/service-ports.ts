// The proxy's picture of the cluster: each port of each Service, with the endpoints that may get its traffic.
import type { EndpointSlice, Service } from "@skiff/api/types.ts";

export type Protocol = "tcp" | "udp" | "sctp";

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  /** It runs on this node. */
  readonly isLocal: boolean;
}

/** One port of one Service. Addresses are IPv4 texts. */
export interface ServicePort {
  /** `namespace/name:port`, upstream's ServicePortName; without `:port` where the port has no name. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly clusterIp: string;
  readonly port: number;
  /** 0: none. */
  readonly nodePort: number;
  readonly externalIps: readonly string[];
  readonly loadBalancerIps: readonly string[];
  /** Who may use the load balancer's addresses; empty: everybody. */
  readonly sourceRanges: readonly string[];
  /** 0: no affinity. */
  readonly affinitySeconds: number;
  /** Traffic from inside goes to endpoints of this node only (internalTrafficPolicy). */
  readonly internalLocal: boolean;
  /** The same for traffic from outside (externalTrafficPolicy), which then keeps the client's address. */
  readonly externalLocal: boolean;
  /** Usable endpoints anywhere, in a stable order. */
  readonly endpoints: readonly Endpoint[];
}

/** All ports of all proxied Services, sorted by name: what the rules are made from. */
export function servicePorts(
  services: readonly Readonly<Service>[],
  slicesOf: (service: Readonly<Service>) => readonly Readonly<EndpointSlice>[],
  nodeName: string,
): ServicePort[] {
  const all: ServicePort[] = [];
  for (const service of services) {
    if (isProxied(service)) all.push(...portsOfService(service, slicesOf(service), nodeName));
  }
  return all.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.protocol < b.protocol ? -1 : 1));
}

/** Headless and ExternalName Services have no address of their own; a label hands a Service to another proxy. */
function isProxied(service: Readonly<Service>): boolean {
  const { clusterIP, type } = service.spec;
  if (type === "ExternalName" || !clusterIP || clusterIP === "None") return false;
  return service.metadata.labels?.["service.kubernetes.io/service-proxy-name"] === undefined;
}

function portsOfService(
  service: Readonly<Service>,
  slices: readonly Readonly<EndpointSlice>[],
  nodeName: string,
): ServicePort[] {
  const { spec, metadata } = service;
  const clusterIp = [spec.clusterIP ?? "", ...(spec.clusterIPs ?? [])].find(isIpv4);
  if (!clusterIp) return [];
  return (spec.ports ?? []).map((port) => ({
    name: `${metadata.namespace}/${metadata.name}${port.name ? `:${port.name}` : ""}`,
    protocol: (port.protocol ?? "TCP").toLowerCase() as Protocol,
    clusterIp,
    port: port.port,
    nodePort: port.nodePort ?? 0,
    externalIps: (spec.externalIPs ?? []).filter(isIpv4),
    loadBalancerIps: loadBalancerIps(service),
    sourceRanges: spec.loadBalancerSourceRanges ?? [],
    affinitySeconds:
      // Three hours is the server's default, DefaultClientIPServiceAffinitySeconds.
      spec.sessionAffinity === "ClientIP" ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800) : 0,
    internalLocal: spec.internalTrafficPolicy === "Local",
    externalLocal: spec.externalTrafficPolicy === "Local",
    endpoints: endpointsOf(slices, port.name ?? "", port.protocol ?? "TCP", nodeName),
  }));
}

function loadBalancerIps(service: Readonly<Service>): string[] {
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  return (
    ingress
      // In mode Proxy the load balancer wants the traffic itself, so the node must not take the short way.
      .filter((entry) => entry.ipMode !== "Proxy")
      .flatMap((entry) => (entry.ip && isIpv4(entry.ip) ? [entry.ip] : []))
  );
}

/** Ready endpoints; where none is, those that still serve while they terminate, so that a rollout drops no connection. */
function endpointsOf(
  slices: readonly Readonly<EndpointSlice>[],
  portName: string,
  protocol: string,
  nodeName: string,
): Endpoint[] {
  const ready = new Map<string, Endpoint>();
  const draining = new Map<string, Endpoint>();
  for (const slice of slices) {
    if (slice.addressType !== "IPv4") continue;
    const port = slice.ports?.find((p) => (p.name ?? "") === portName && (p.protocol ?? "TCP") === protocol)?.port;
    if (port === undefined) continue;
    // Keyed by address, since during a write of several slices a pod may stand in two of them.
    for (const { addresses, conditions, nodeName: node } of slice.endpoints ?? []) {
      // Upstream reads the first address only; the others are the same pod's.
      const ip = addresses[0];
      if (ip === undefined) continue;
      const endpoint = { ip, port, isLocal: node === nodeName };
      if (conditions?.ready ?? true) ready.set(`${ip}:${port}`, endpoint);
      else if (conditions?.serving && conditions.terminating) draining.set(`${ip}:${port}`, endpoint);
    }
  }
  const usable = ready.size > 0 ? ready : draining;
  return [...usable.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

function isIpv4(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(text);
}

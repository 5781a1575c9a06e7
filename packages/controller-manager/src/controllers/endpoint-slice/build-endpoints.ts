// Turns a Service's pods into endpoints, grouped by their ports.
import { isPodReady } from "@skiff/api/conditions.ts";
import { parseIp } from "@skiff/api/ip.ts";
import type { DiscoveryV1EndpointPort, Endpoint, EndpointHints, Node, Pod, Service } from "@skiff/api/types.ts";
import {
  hostnameUnder,
  isHeadless,
  mayServe,
  podAddresses,
  portsOnPod,
  targetRefOf,
} from "../endpoints/service-pods.ts";
import type { PortGroup } from "./plan-slices.ts";
import { portsKey } from "./plan-slices.ts";

/** A slice holds addresses of one IP version. */
export type AddressType = "IPv4" | "IPv6";

const ZONE_LABEL = "topology.kubernetes.io/zone";

/** The IP versions that a Service has slices for. */
export function addressTypesOf({ spec }: Readonly<Service>): AddressType[] {
  if (spec.ipFamilies?.length) return spec.ipFamilies.filter((family) => family === "IPv4" || family === "IPv6");
  const version = parseIp(spec.clusterIP ?? "")?.version;
  if (version) return [version === 6 ? "IPv6" : "IPv4"];
  // A headless Service from before dual-stack says nothing, so it gets whatever its pods have.
  return isHeadless({ spec } as Service) ? ["IPv4", "IPv6"] : ["IPv4"];
}

/** The endpoints of one address type. */
export interface BuiltEndpoints {
  readonly groups: PortGroup[];
  /** Nodes of pods that the cache does not know (yet): their pods are left out. */
  readonly missingNodes: string[];
}

/** Pods behind the Service as endpoints of one address type; ports of equal meaning share a group. */
export function buildEndpointGroups(
  service: Readonly<Service>,
  pods: readonly Readonly<Pod>[],
  addressType: AddressType,
  nodeOf: (name: string) => Readonly<Node> | undefined,
): BuiltEndpoints {
  const groups = new Map<string, { ports: DiscoveryV1EndpointPort[]; endpoints: Endpoint[] }>();
  const missingNodes: string[] = [];
  for (const pod of pods) {
    // Leaving pods too: while no other is ready, proxies send to those that still serve.
    const addresses = mayServe(pod, true) ? podAddresses(pod, addressType === "IPv6" ? 6 : 4) : [];
    if (addresses.length === 0) continue;
    const nodeName = pod.spec?.nodeName;
    const node = nodeName ? nodeOf(nodeName) : undefined;
    // Its zone is the node's, and would be missing from the endpoint until something else changes.
    if (nodeName && !node && !service.spec.publishNotReadyAddresses) {
      missingNodes.push(nodeName);
      continue;
    }
    const ports = slicePorts(service, pod);
    if (!ports) continue;
    const key = portsKey(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(endpointOf(service, pod, node, addresses));
  }
  return { groups: [...groups.values()], missingNodes };
}

/** Undefined when the Service has ports but the pod none of them. */
function slicePorts(service: Readonly<Service>, pod: Readonly<Pod>): DiscoveryV1EndpointPort[] | undefined {
  const ports = portsOnPod(service, pod);
  const mayLackPorts = isHeadless(service) && !service.spec.ports?.length;
  if (ports.length === 0 && !mayLackPorts) return undefined;
  // Slices always carry the name: empty for the one port without.
  return ports.map((port) => ({ name: "", ...port }));
}

function endpointOf(
  service: Readonly<Service>,
  pod: Readonly<Pod>,
  node: Readonly<Node> | undefined,
  addresses: string[],
): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  // For old readers, "ready" is never true of a pod that leaves, unless the Service wants all addresses.
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const hostname = hostnameUnder(service, pod);
  const nodeName = pod.spec?.nodeName;
  const zone = node?.metadata.labels?.[ZONE_LABEL];
  const hints = hintsFor(service, ready, nodeName, zone);
  return {
    addresses,
    conditions: { ready, serving, terminating },
    ...(hostname ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    targetRef: targetRefOf(pod),
    ...(zone ? { zone } : {}),
    ...(hints ? { hints } : {}),
  };
}

/** Who should prefer this endpoint, by `spec.trafficDistribution`. */
function hintsFor(
  { spec: { trafficDistribution } }: Readonly<Service>,
  ready: boolean,
  nodeName: string | undefined,
  zone: string | undefined,
): EndpointHints | undefined {
  if (!trafficDistribution || !ready) return undefined;
  const forZones = zone ? { forZones: [{ name: zone }] } : {};
  switch (trafficDistribution) {
    case "PreferClose":
    case "PreferSameZone":
      return zone ? forZones : undefined;
    case "PreferSameNode":
      return nodeName ? { ...forZones, forNodes: [{ name: nodeName }] } : undefined;
    default:
      return undefined;
  }
}

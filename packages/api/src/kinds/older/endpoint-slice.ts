// discovery.k8s.io/v1beta1: zone and host name of an endpoint stood in a map of topology labels.
import type { Endpoint, EndpointSlice } from "../../../generated/types.ts";
import type { ServedVersion } from "../../kind.ts";
import type { KubeObject } from "../../object.ts";

const HOST_NAME = "kubernetes.io/hostname";
const ZONE = "topology.kubernetes.io/zone";

type OlderEndpoint = Omit<Endpoint, "deprecatedTopology" | "zone"> & { topology?: Record<string, string> };
type OlderSlice = Omit<EndpointSlice, "endpoints"> & { endpoints?: OlderEndpoint[] };

/** v1 has fields for node and zone, and keeps the rest of the map as `deprecatedTopology`. */
export const endpointSliceBeta: ServedVersion = {
  version: "v1beta1",
  model: "V1beta1EndpointSlice",
  deprecated: ["v1.21", "v1.25"],
  toStored(object: KubeObject) {
    const slice = object as OlderSlice;
    return { ...slice, endpoints: (slice.endpoints ?? []).map(toStored) } as KubeObject;
  },
  fromStored(object: KubeObject) {
    const slice = object as EndpointSlice;
    return { ...slice, endpoints: (slice.endpoints ?? []).map(fromStored) } as KubeObject;
  },
};

/** The host name stays in the map only where it is not the node's name. */
function toStored({ topology, ...endpoint }: OlderEndpoint): Endpoint {
  if (!topology) return endpoint;
  const { [ZONE]: zone, ...rest } = topology;
  if (endpoint.nodeName !== undefined && rest[HOST_NAME] === endpoint.nodeName) delete rest[HOST_NAME];
  return {
    ...endpoint,
    ...(Object.keys(rest).length > 0 ? { deprecatedTopology: rest } : {}),
    ...(zone === undefined ? {} : { zone }),
  };
}

function fromStored({ deprecatedTopology, zone, ...endpoint }: Endpoint): OlderEndpoint {
  const topology: Record<string, string> = { ...deprecatedTopology };
  if (zone !== undefined) topology[ZONE] = zone;
  if (endpoint.nodeName !== undefined) topology[HOST_NAME] ??= endpoint.nodeName;
  return Object.keys(topology).length > 0 ? { ...endpoint, topology } : endpoint;
}

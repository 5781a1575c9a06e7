// The Service `kubernetes` in `default`, its Endpoints and EndpointSlice: all apiservers that are alive.
import { isAlreadyExists } from "@skiff/api/errors.ts";
import type { KubeObject, Unsaved } from "@skiff/api/object.ts";
import type { ResourceRef } from "@skiff/api/resource-ref.ts";
import { endpointSlices, endpoints, services } from "@skiff/api/resource-ref.ts";
import type { EndpointSlice, Endpoints, Service } from "@skiff/api/types.ts";
import type { ObjectReader, ObjectWriter } from "../registry/object-access.ts";
import type { Kv } from "../storage/kv.ts";

const NAMESPACE = "default";
const NAME = "kubernetes";
/** The directory in etcd where upstream's lease reconciler keeps one key for each apiserver. */
const LEASE_PREFIX = "masterleases/";
/** An apiserver that dies leaves the endpoints within this time and one round of the others. */
const LEASE_SECONDS = 15;

/** `serviceIp` is the first address of the Service range, at which pods find the API. */
export interface MasterServiceDeps {
  readonly reader: ObjectReader;
  readonly writer: ObjectWriter;
  readonly kv: Kv;
  /** What clients in the cluster reach this apiserver at. */
  readonly advertiseAddress: string;
  readonly securePort: number;
  readonly serviceIp: string;
}

/** Says that this apiserver is alive until the signal aborts. */
export function keepMasterLease({ kv, advertiseAddress }: MasterServiceDeps, signal: AbortSignal): Promise<void> {
  return kv.keepAlive(`${LEASE_PREFIX}${advertiseAddress}`, advertiseAddress, LEASE_SECONDS, signal);
}

/** One round: makes what is missing, and corrects the addresses. */
export async function reconcileMasterService(deps: MasterServiceDeps, signal: AbortSignal): Promise<void> {
  const leases = await deps.kv.list(LEASE_PREFIX, signal);
  // This one is alive whatever its lease says: it is running this code.
  const addresses = [...new Set([...leases.map(({ value }) => value), deps.advertiseAddress])].sort();
  await ensure(deps, services, masterService(deps), () => undefined, signal);
  const wantedEndpoints = masterEndpoints(addresses, deps.securePort);
  await ensure(
    deps,
    endpoints,
    wantedEndpoints,
    (current) => {
      if (sameJson(current.subsets, wantedEndpoints.subsets)) return undefined;
      // Addresses of apiservers that died go with this as well.
      return { ...current, ...wantedEndpoints, metadata: withLabels(current, wantedEndpoints) };
    },
    signal,
  );
  const wantedSlice = masterSlice(addresses, deps.securePort);
  await ensure(
    deps,
    endpointSlices,
    wantedSlice,
    (current) => {
      if (sameJson(current.endpoints, wantedSlice.endpoints) && sameJson(current.ports, wantedSlice.ports))
        return undefined;
      return { ...current, ...wantedSlice, metadata: withLabels(current, wantedSlice) };
    },
    signal,
  );
}

/** Looks into the cache first, so that a round that finds all as it should be writes nothing. */
async function ensure<T extends KubeObject>(
  { reader, writer }: MasterServiceDeps,
  ref: ResourceRef<T>,
  wanted: Unsaved<T>,
  correct: (current: T) => T | undefined,
  signal: AbortSignal,
): Promise<void> {
  const cached = reader.get(ref, NAMESPACE, NAME);
  if (cached && !correct(structuredClone(cached) as T)) return;
  if (!cached) {
    try {
      await writer.create(ref, wanted, signal);
      return;
    } catch (error) {
      // Another apiserver made it since, perhaps with other addresses.
      if (!isAlreadyExists(error)) throw error;
    }
  }
  await writer.update(ref, NAMESPACE, NAME, correct, signal);
}

/** Without a selector: no pods stand behind it, and the endpoints are written below. */
function masterService({ securePort, serviceIp }: MasterServiceDeps): Unsaved<Service> {
  return {
    metadata: { name: NAME, namespace: NAMESPACE, labels: { component: "apiserver", provider: "kubernetes" } },
    spec: {
      type: "ClusterIP",
      clusterIP: serviceIp,
      clusterIPs: [serviceIp],
      ports: [{ name: "https", port: 443, protocol: "TCP", targetPort: securePort }],
      sessionAffinity: "None",
    },
  };
}

function masterEndpoints(addresses: readonly string[], port: number): Unsaved<Endpoints> {
  const metadata = {
    name: NAME,
    namespace: NAMESPACE,
    // The EndpointSlice is written here too, so nobody has to mirror it.
    labels: { "endpointslice.kubernetes.io/skip-mirror": "true" },
  };
  const ports = [{ name: "https", port, protocol: "TCP" }];
  return { metadata, subsets: [{ addresses: addresses.map((ip) => ({ ip })), ports }] };
}

/** kube-proxy reads slices only; the Endpoints are for older clients. */
function masterSlice(addresses: readonly string[], port: number): Unsaved<EndpointSlice> {
  return {
    metadata: { name: NAME, namespace: NAMESPACE, labels: { "kubernetes.io/service-name": NAME } },
    addressType: addresses[0]?.includes(":") ? "IPv6" : "IPv4",
    endpoints: addresses.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
    ports: [{ name: "https", port, protocol: "TCP" }],
  };
}

/** Labels of others stay, so that the round corrects only what is ours. */
function withLabels<T extends KubeObject>(current: T, wanted: Unsaved<KubeObject>): T["metadata"] {
  return { ...current.metadata, labels: { ...current.metadata.labels, ...wanted.metadata.labels } };
}

function sameJson(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

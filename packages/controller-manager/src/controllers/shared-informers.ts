// The informers that controllers share: one watch per resource, with every index that any of them needs.

import type { KubeObject } from "@skiff/api/object.ts";
import { controllerOf } from "@skiff/api/owner-references.ts";
import * as refs from "@skiff/api/resource-ref.ts";
import type {
  CertificateSigningRequest,
  ConfigMap,
  Deployment,
  EndpointSlice,
  Endpoints,
  IPAddress,
  Lease,
  Namespace,
  Node,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  Service,
  ServiceAccount,
  ServiceCIDR,
  StatefulSet,
} from "@skiff/api/types.ts";
import type { Informer, InformerOptions } from "@skiff/client/informer.ts";
import type { InformerFactory } from "@skiff/client/informer-factory.ts";

/** Index of pods by `spec.nodeName`. */
export const BY_NODE = "node";
/** Index of pods, ReplicaSets and ReplicationControllers by the UID of their controller; those without one are under `orphansOf(namespace)`. */
export const BY_CONTROLLER = "controller";
/** Index of EndpointSlices by `namespace/service`. */
export const BY_SERVICE = "service";

/** By which slices name their Service. */
export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";

const ROOT_CA_CONFIG_MAP = "kube-root-ca.crt";
const NODE_LEASES = "kube-node-lease";

/** One function per resource; calling it starts the watch, or hands out the one that there is. */
export type SharedInformers = ReturnType<typeof shareInformers>;

/**
 * Nothing is watched before it is asked for, and then once: the factory hands out the same informer for the same selection, with
 * the indexes and the transform that are given here.
 */
export function shareInformers(factory: InformerFactory) {
  const watch = <T extends KubeObject>(ref: refs.ResourceRef<T>, options: InformerOptions<T> = {}) =>
    factory.of(ref, { ...options, transform: withoutManagedFields });
  return {
    pods: (): Informer<Pod> =>
      watch(refs.pods, {
        indexers: {
          [BY_NODE]: (pod) => (pod.spec?.nodeName ? [pod.spec.nodeName] : []),
          [BY_CONTROLLER]: byController,
        },
      }),
    replicaSets: (): Informer<ReplicaSet> => watch(refs.replicaSets, { indexers: { [BY_CONTROLLER]: byController } }),
    deployments: (): Informer<Deployment> => watch(refs.deployments),
    replicationControllers: (): Informer<ReplicationController> =>
      watch(refs.replicationControllers, { indexers: { [BY_CONTROLLER]: byController } }),
    statefulSets: (): Informer<StatefulSet> => watch(refs.statefulSets),
    podDisruptionBudgets: (): Informer<PodDisruptionBudget> => watch(refs.podDisruptionBudgets),
    nodes: (): Informer<Node> => watch(refs.nodes),
    /** Heartbeats only. */
    nodeLeases: (): Informer<Lease> => watch(refs.leases, { namespace: NODE_LEASES }),
    namespaces: (): Informer<Namespace> => watch(refs.namespaces),
    services: (): Informer<Service> => watch(refs.services),
    serviceCidrs: (): Informer<ServiceCIDR> => watch(refs.serviceCidrs),
    ipAddresses: (): Informer<IPAddress> => watch(refs.ipAddresses),
    endpoints: (): Informer<Endpoints> => watch(refs.endpoints),
    endpointSlices: (): Informer<EndpointSlice> =>
      watch(refs.endpointSlices, { indexers: { [BY_SERVICE]: bySliceService } }),
    certificateSigningRequests: (): Informer<CertificateSigningRequest> => watch(refs.certificateSigningRequests),
    serviceAccounts: (): Informer<ServiceAccount> => watch(refs.serviceAccounts),
    /** The published CA bundles only: the other ConfigMaps may be large and are nobody's business here. */
    rootCaConfigMaps: (): Informer<ConfigMap> =>
      watch(refs.configMaps, { fieldSelector: `metadata.name=${ROOT_CA_CONFIG_MAP}` }),
  };
}

/** Who wrote which field takes a third of an object and no controller reads it. The server keeps it where an update lacks it. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  delete object.metadata.managedFields;
  return object;
}

/** The index value of objects that nobody controls. */
export function orphansOf(namespace: string | undefined): string {
  return `orphan/${namespace ?? ""}`;
}

function byController(object: Pod | ReplicaSet | ReplicationController): string[] {
  return [controllerOf(object)?.uid ?? orphansOf(object.metadata.namespace)];
}

function bySliceService(slice: EndpointSlice): string[] {
  const service = slice.metadata.labels?.[SERVICE_NAME_LABEL];
  return service ? [`${slice.metadata.namespace}/${service}`] : [];
}

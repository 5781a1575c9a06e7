// Typed names of resources: all that a client needs to address one. Kept apart from the kinds so that a program
// that only reads Pods does not load the validation of every kind.
import type {
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  CoreV1Event,
  Deployment,
  EndpointSlice,
  Endpoints,
  Lease,
  Namespace,
  Node,
  Pod,
  ReplicaSet,
  Role,
  RoleBinding,
  Secret,
  Service,
  ServiceAccount,
} from "../generated/types.ts";
import type { KubeObject } from "./object.ts";

/** Where a resource is served. `T` is the type of its objects and has no value at run time. */
export interface ResourceRef<T extends KubeObject = KubeObject> {
  /** Empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  readonly objectType?: T;
}

function ref<T extends KubeObject>(
  group: string,
  version: string,
  kind: string,
  plural: string,
  namespaced = true,
): ResourceRef<T> {
  return { group, version, kind, plural, namespaced };
}

export const namespaces = ref<Namespace>("", "v1", "Namespace", "namespaces", false);
export const nodes = ref<Node>("", "v1", "Node", "nodes", false);
export const pods = ref<Pod>("", "v1", "Pod", "pods");
export const services = ref<Service>("", "v1", "Service", "services");
export const endpoints = ref<Endpoints>("", "v1", "Endpoints", "endpoints");
export const configMaps = ref<ConfigMap>("", "v1", "ConfigMap", "configmaps");
export const secrets = ref<Secret>("", "v1", "Secret", "secrets");
export const serviceAccounts = ref<ServiceAccount>("", "v1", "ServiceAccount", "serviceaccounts");
export const events = ref<CoreV1Event>("", "v1", "Event", "events");
export const endpointSlices = ref<EndpointSlice>("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices");
export const leases = ref<Lease>("coordination.k8s.io", "v1", "Lease", "leases");
export const deployments = ref<Deployment>("apps", "v1", "Deployment", "deployments");
export const replicaSets = ref<ReplicaSet>("apps", "v1", "ReplicaSet", "replicasets");
const RBAC = "rbac.authorization.k8s.io";
export const roles = ref<Role>(RBAC, "v1", "Role", "roles");
export const roleBindings = ref<RoleBinding>(RBAC, "v1", "RoleBinding", "rolebindings");
export const clusterRoles = ref<ClusterRole>(RBAC, "v1", "ClusterRole", "clusterroles", false);
export const clusterRoleBindings = ref<ClusterRoleBinding>(
  RBAC,
  "v1",
  "ClusterRoleBinding",
  "clusterrolebindings",
  false,
);

// Typed names of resources: all that a client needs to address one. Kept apart from the kinds so that a program
// that only reads Pods does not load the validation of every kind.
import type {
  APIService,
  CertificateSigningRequest,
  ClusterRole,
  ClusterRoleBinding,
  ConfigMap,
  ControllerRevision,
  CoreV1Event,
  CronJob,
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  DeviceClass,
  EndpointSlice,
  Endpoints,
  FlowSchema,
  Ingress,
  IngressClass,
  IPAddress,
  Job,
  Lease,
  LimitRange,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  Namespace,
  NetworkPolicy,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  PodTemplate,
  PriorityClass,
  PriorityLevelConfiguration,
  ReplicaSet,
  ReplicationController,
  ResourceClaimTemplate,
  ResourceQuota,
  ResourceSlice,
  ResourceV1ResourceClaim,
  Role,
  RoleBinding,
  RuntimeClass,
  Secret,
  Service,
  ServiceAccount,
  ServiceCIDR,
  StatefulSet,
  StorageClass,
  V2HorizontalPodAutoscaler,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
  VolumeAttachment,
  VolumeAttributesClass,
} from "../generated/types.ts";
import type { KubeObject } from "./object.ts";

/** Where a resource is served, in the version that Skiff stores. `T` is the type of its objects and has no value at run time. */
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

export const replicationControllers = ref<ReplicationController>(
  "",
  "v1",
  "ReplicationController",
  "replicationcontrollers",
);
export const podTemplates = ref<PodTemplate>("", "v1", "PodTemplate", "podtemplates");
export const limitRanges = ref<LimitRange>("", "v1", "LimitRange", "limitranges");
export const resourceQuotas = ref<ResourceQuota>("", "v1", "ResourceQuota", "resourcequotas");
export const persistentVolumes = ref<PersistentVolume>("", "v1", "PersistentVolume", "persistentvolumes", false);
export const persistentVolumeClaims = ref<PersistentVolumeClaim>(
  "",
  "v1",
  "PersistentVolumeClaim",
  "persistentvolumeclaims",
);
export const statefulSets = ref<StatefulSet>("apps", "v1", "StatefulSet", "statefulsets");
export const daemonSets = ref<DaemonSet>("apps", "v1", "DaemonSet", "daemonsets");
export const controllerRevisions = ref<ControllerRevision>("apps", "v1", "ControllerRevision", "controllerrevisions");
export const jobs = ref<Job>("batch", "v1", "Job", "jobs");
export const cronJobs = ref<CronJob>("batch", "v1", "CronJob", "cronjobs");
export const horizontalPodAutoscalers = ref<V2HorizontalPodAutoscaler>(
  "autoscaling",
  "v2",
  "HorizontalPodAutoscaler",
  "horizontalpodautoscalers",
);
export const podDisruptionBudgets = ref<PodDisruptionBudget>(
  "policy",
  "v1",
  "PodDisruptionBudget",
  "poddisruptionbudgets",
);
const NETWORKING = "networking.k8s.io";
export const ingresses = ref<Ingress>(NETWORKING, "v1", "Ingress", "ingresses");
export const ingressClasses = ref<IngressClass>(NETWORKING, "v1", "IngressClass", "ingressclasses", false);
export const networkPolicies = ref<NetworkPolicy>(NETWORKING, "v1", "NetworkPolicy", "networkpolicies");
export const serviceCidrs = ref<ServiceCIDR>(NETWORKING, "v1", "ServiceCIDR", "servicecidrs", false);
export const ipAddresses = ref<IPAddress>(NETWORKING, "v1", "IPAddress", "ipaddresses", false);
export const priorityClasses = ref<PriorityClass>("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", false);
const STORAGE = "storage.k8s.io";
export const storageClasses = ref<StorageClass>(STORAGE, "v1", "StorageClass", "storageclasses", false);
export const csiDrivers = ref<CSIDriver>(STORAGE, "v1", "CSIDriver", "csidrivers", false);
export const csiNodes = ref<CSINode>(STORAGE, "v1", "CSINode", "csinodes", false);
export const csiStorageCapacities = ref<CSIStorageCapacity>(
  STORAGE,
  "v1",
  "CSIStorageCapacity",
  "csistoragecapacities",
);
export const volumeAttachments = ref<VolumeAttachment>(STORAGE, "v1", "VolumeAttachment", "volumeattachments", false);
export const volumeAttributesClasses = ref<VolumeAttributesClass>(
  STORAGE,
  "v1",
  "VolumeAttributesClass",
  "volumeattributesclasses",
  false,
);
export const runtimeClasses = ref<RuntimeClass>("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", false);
export const certificateSigningRequests = ref<CertificateSigningRequest>(
  "certificates.k8s.io",
  "v1",
  "CertificateSigningRequest",
  "certificatesigningrequests",
  false,
);
const ADMISSION = "admissionregistration.k8s.io";
export const validatingWebhookConfigurations = ref<ValidatingWebhookConfiguration>(
  ADMISSION,
  "v1",
  "ValidatingWebhookConfiguration",
  "validatingwebhookconfigurations",
  false,
);
export const mutatingWebhookConfigurations = ref<MutatingWebhookConfiguration>(
  ADMISSION,
  "v1",
  "MutatingWebhookConfiguration",
  "mutatingwebhookconfigurations",
  false,
);
export const validatingAdmissionPolicies = ref<ValidatingAdmissionPolicy>(
  ADMISSION,
  "v1",
  "ValidatingAdmissionPolicy",
  "validatingadmissionpolicies",
  false,
);
export const validatingAdmissionPolicyBindings = ref<ValidatingAdmissionPolicyBinding>(
  ADMISSION,
  "v1",
  "ValidatingAdmissionPolicyBinding",
  "validatingadmissionpolicybindings",
  false,
);
export const mutatingAdmissionPolicies = ref<MutatingAdmissionPolicy>(
  ADMISSION,
  "v1",
  "MutatingAdmissionPolicy",
  "mutatingadmissionpolicies",
  false,
);
export const mutatingAdmissionPolicyBindings = ref<MutatingAdmissionPolicyBinding>(
  ADMISSION,
  "v1",
  "MutatingAdmissionPolicyBinding",
  "mutatingadmissionpolicybindings",
  false,
);
export const customResourceDefinitions = ref<CustomResourceDefinition>(
  "apiextensions.k8s.io",
  "v1",
  "CustomResourceDefinition",
  "customresourcedefinitions",
  false,
);
export const apiServices = ref<APIService>("apiregistration.k8s.io", "v1", "APIService", "apiservices", false);
const FLOW_CONTROL = "flowcontrol.apiserver.k8s.io";
export const flowSchemas = ref<FlowSchema>(FLOW_CONTROL, "v1", "FlowSchema", "flowschemas", false);
export const priorityLevelConfigurations = ref<PriorityLevelConfiguration>(
  FLOW_CONTROL,
  "v1",
  "PriorityLevelConfiguration",
  "prioritylevelconfigurations",
  false,
);
const DEVICES = "resource.k8s.io";
export const deviceClasses = ref<DeviceClass>(DEVICES, "v1", "DeviceClass", "deviceclasses", false);
export const resourceClaims = ref<ResourceV1ResourceClaim>(DEVICES, "v1", "ResourceClaim", "resourceclaims");
export const resourceClaimTemplates = ref<ResourceClaimTemplate>(
  DEVICES,
  "v1",
  "ResourceClaimTemplate",
  "resourceclaimtemplates",
);
export const resourceSlices = ref<ResourceSlice>(DEVICES, "v1", "ResourceSlice", "resourceslices", false);

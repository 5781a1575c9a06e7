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
  V1beta1ClusterTrustBundle,
  V1beta1PodCertificateRequest,
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

/** Scopes of names and rights. Deleting one deletes all that is in it. */
export const namespaces = ref<Namespace>("", "v1", "Namespace", "namespaces", false);
/** Machines, each registered by its kubelet. */
export const nodes = ref<Node>("", "v1", "Node", "nodes", false);
/** What the scheduler places and kubelets run. */
export const pods = ref<Pod>("", "v1", "Pod", "pods");
/** Stable addresses that kube-proxy spreads over pods. */
export const services = ref<Service>("", "v1", "Service", "services");
/** The addresses behind a Service, all in one object; for clients that do not read EndpointSlices. */
export const endpoints = ref<Endpoints>("", "v1", "Endpoints", "endpoints");
/** Configuration as text, mounted into pods or read by programs. */
export const configMaps = ref<ConfigMap>("", "v1", "ConfigMap", "configmaps");
/** As ConfigMaps, but for what not everybody may read. */
export const secrets = ref<Secret>("", "v1", "Secret", "secrets");
/** Identities of pods; their tokens are made on request and bound to the pod. */
export const serviceAccounts = ref<ServiceAccount>("", "v1", "ServiceAccount", "serviceaccounts");
/** What happened to objects, kept for an hour. Also served as events.k8s.io. */
export const events = ref<CoreV1Event>("", "v1", "Event", "events");
/** The addresses behind a Service in pieces; what kube-proxy reads. */
export const endpointSlices = ref<EndpointSlice>("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices");
/** Heartbeats of nodes, and the locks of leader election. */
export const leases = ref<Lease>("coordination.k8s.io", "v1", "Lease", "leases");
/** Rollouts: one ReplicaSet for each state of the template. */
export const deployments = ref<Deployment>("apps", "v1", "Deployment", "deployments");
/** So many pods of one template, mostly owned by a Deployment. */
export const replicaSets = ref<ReplicaSet>("apps", "v1", "ReplicaSet", "replicasets");
const RBAC = "rbac.authorization.k8s.io";
/** Rights within a namespace. */
export const roles = ref<Role>(RBAC, "v1", "Role", "roles");
/** Gives a Role, or a ClusterRole's rights, within a namespace. */
export const roleBindings = ref<RoleBinding>(RBAC, "v1", "RoleBinding", "rolebindings");
/** Rights in all namespaces, on cluster-wide resources and on other URLs. */
export const clusterRoles = ref<ClusterRole>(RBAC, "v1", "ClusterRole", "clusterroles", false);
/** Gives a ClusterRole everywhere. */
export const clusterRoleBindings = ref<ClusterRoleBinding>(
  RBAC,
  "v1",
  "ClusterRoleBinding",
  "clusterrolebindings",
  false,
);

/** ReplicaSets of before there were Deployments. */
export const replicationControllers = ref<ReplicationController>(
  "",
  "v1",
  "ReplicationController",
  "replicationcontrollers",
);
/** Templates that nothing runs by itself. */
export const podTemplates = ref<PodTemplate>("", "v1", "PodTemplate", "podtemplates");
/** Bounds and defaults for each object of a namespace, enforced at admission. */
export const limitRanges = ref<LimitRange>("", "v1", "LimitRange", "limitranges");
/** Bounds for a namespace as a whole, enforced at admission. */
export const resourceQuotas = ref<ResourceQuota>("", "v1", "ResourceQuota", "resourcequotas");
/** Storage that exists; cluster-wide, since claims of any namespace may get it. */
export const persistentVolumes = ref<PersistentVolume>("", "v1", "PersistentVolume", "persistentvolumes", false);
/** Storage that pods ask for and keep beyond their own life. */
export const persistentVolumeClaims = ref<PersistentVolumeClaim>(
  "",
  "v1",
  "PersistentVolumeClaim",
  "persistentvolumeclaims",
);
/** Pods with names, an order and claims that stay theirs. */
export const statefulSets = ref<StatefulSet>("apps", "v1", "StatefulSet", "statefulsets");
/** One pod for each node that fits. */
export const daemonSets = ref<DaemonSet>("apps", "v1", "DaemonSet", "daemonsets");
/** The templates that StatefulSets and DaemonSets had, for going back to one. */
export const controllerRevisions = ref<ControllerRevision>("apps", "v1", "ControllerRevision", "controllerrevisions");
/** Pods that end, run until enough have succeeded. */
export const jobs = ref<Job>("batch", "v1", "Job", "jobs");
/** Jobs by the clock. */
export const cronJobs = ref<CronJob>("batch", "v1", "CronJob", "cronjobs");
/** Sets the replicas of a workload by its metrics; v1 and v2beta2 are converted. */
export const horizontalPodAutoscalers = ref<V2HorizontalPodAutoscaler>(
  "autoscaling",
  "v2",
  "HorizontalPodAutoscaler",
  "horizontalpodautoscalers",
);
/** How many pods may be evicted at once. */
export const podDisruptionBudgets = ref<PodDisruptionBudget>(
  "policy",
  "v1",
  "PodDisruptionBudget",
  "poddisruptionbudgets",
);
const NETWORKING = "networking.k8s.io";
/** HTTP routes into the cluster, for an ingress controller to serve. */
export const ingresses = ref<Ingress>(NETWORKING, "v1", "Ingress", "ingresses");
/** Which controller serves which Ingresses. */
export const ingressClasses = ref<IngressClass>(NETWORKING, "v1", "IngressClass", "ingressclasses", false);
/** Which pods may talk to each other. */
export const networkPolicies = ref<NetworkPolicy>(NETWORKING, "v1", "NetworkPolicy", "networkpolicies");
/** The ranges that Service addresses are taken from; several may be in use. */
export const serviceCidrs = ref<ServiceCIDR>(NETWORKING, "v1", "ServiceCIDR", "servicecidrs", false);
/** One for each Service address that is taken, named by it. */
export const ipAddresses = ref<IPAddress>(NETWORKING, "v1", "IPAddress", "ipaddresses", false);
/** Which pods are scheduled first, and which give way. */
export const priorityClasses = ref<PriorityClass>("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", false);
const STORAGE = "storage.k8s.io";
/** How a claim's volume is made, and by which driver. */
export const storageClasses = ref<StorageClass>(STORAGE, "v1", "StorageClass", "storageclasses", false);
/** What the cluster must know of a storage driver. */
export const csiDrivers = ref<CSIDriver>(STORAGE, "v1", "CSIDriver", "csidrivers", false);
/** Which storage drivers run on a node; named as the node. */
export const csiNodes = ref<CSINode>(STORAGE, "v1", "CSINode", "csinodes", false);
/** How much a driver can still give, and where; in the driver's namespace. */
export const csiStorageCapacities = ref<CSIStorageCapacity>(
  STORAGE,
  "v1",
  "CSIStorageCapacity",
  "csistoragecapacities",
);
/** That a volume be attached to a node. */
export const volumeAttachments = ref<VolumeAttachment>(STORAGE, "v1", "VolumeAttachment", "volumeattachments", false);
/** What of a volume can be changed while it is in use. */
export const volumeAttributesClasses = ref<VolumeAttributesClass>(
  STORAGE,
  "v1",
  "VolumeAttributesClass",
  "volumeattributesclasses",
  false,
);
/** Which runtime of a node runs a pod. */
export const runtimeClasses = ref<RuntimeClass>("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", false);
/** How kubelets and users get their certificates. */
export const certificateSigningRequests = ref<CertificateSigningRequest>(
  "certificates.k8s.io",
  "v1",
  "CertificateSigningRequest",
  "certificatesigningrequests",
  false,
);
/** Root certificates for pods to trust; served only where the server was told to. */
export const clusterTrustBundles = ref<V1beta1ClusterTrustBundle>(
  "certificates.k8s.io",
  "v1beta1",
  "ClusterTrustBundle",
  "clustertrustbundles",
  false,
);
/** Certificates for pods; served only where the server was told to. */
export const podCertificateRequests = ref<V1beta1PodCertificateRequest>(
  "certificates.k8s.io",
  "v1beta1",
  "PodCertificateRequest",
  "podcertificaterequests",
);
const ADMISSION = "admissionregistration.k8s.io";
/** Servers that may refuse writes. */
export const validatingWebhookConfigurations = ref<ValidatingWebhookConfiguration>(
  ADMISSION,
  "v1",
  "ValidatingWebhookConfiguration",
  "validatingwebhookconfigurations",
  false,
);
/** Servers that may change writes. */
export const mutatingWebhookConfigurations = ref<MutatingWebhookConfiguration>(
  ADMISSION,
  "v1",
  "MutatingWebhookConfiguration",
  "mutatingwebhookconfigurations",
  false,
);
/** Expressions that may refuse writes. */
export const validatingAdmissionPolicies = ref<ValidatingAdmissionPolicy>(
  ADMISSION,
  "v1",
  "ValidatingAdmissionPolicy",
  "validatingadmissionpolicies",
  false,
);
/** Where a policy is in force, and with which parameters. */
export const validatingAdmissionPolicyBindings = ref<ValidatingAdmissionPolicyBinding>(
  ADMISSION,
  "v1",
  "ValidatingAdmissionPolicyBinding",
  "validatingadmissionpolicybindings",
  false,
);
/** Expressions that may change writes. */
export const mutatingAdmissionPolicies = ref<MutatingAdmissionPolicy>(
  ADMISSION,
  "v1",
  "MutatingAdmissionPolicy",
  "mutatingadmissionpolicies",
  false,
);
/** Where a mutation is in force, and with which parameters. */
export const mutatingAdmissionPolicyBindings = ref<MutatingAdmissionPolicyBinding>(
  ADMISSION,
  "v1",
  "MutatingAdmissionPolicyBinding",
  "mutatingadmissionpolicybindings",
  false,
);
/** Kinds that users bring; each is served as soon as its names are accepted. */
export const customResourceDefinitions = ref<CustomResourceDefinition>(
  "apiextensions.k8s.io",
  "v1",
  "CustomResourceDefinition",
  "customresourcedefinitions",
  false,
);
/** Group versions, and the servers that answer for them. */
export const apiServices = ref<APIService>("apiregistration.k8s.io", "v1", "APIService", "apiservices", false);
const FLOW_CONTROL = "flowcontrol.apiserver.k8s.io";
/** Which priority level a request belongs to. */
export const flowSchemas = ref<FlowSchema>(FLOW_CONTROL, "v1", "FlowSchema", "flowschemas", false);
/** How many requests of a level run at once, and how the others wait. */
export const priorityLevelConfigurations = ref<PriorityLevelConfiguration>(
  FLOW_CONTROL,
  "v1",
  "PriorityLevelConfiguration",
  "prioritylevelconfigurations",
  false,
);
const DEVICES = "resource.k8s.io";
/** Devices that may be asked for by one name. */
export const deviceClasses = ref<DeviceClass>(DEVICES, "v1", "DeviceClass", "deviceclasses", false);
/** Devices that pods ask for, and which they got. */
export const resourceClaims = ref<ResourceV1ResourceClaim>(DEVICES, "v1", "ResourceClaim", "resourceclaims");
/** Claims that are made anew for each pod. */
export const resourceClaimTemplates = ref<ResourceClaimTemplate>(
  DEVICES,
  "v1",
  "ResourceClaimTemplate",
  "resourceclaimtemplates",
);
/** Devices that exist, as drivers publish them. */
export const resourceSlices = ref<ResourceSlice>(DEVICES, "v1", "ResourceSlice", "resourceslices", false);

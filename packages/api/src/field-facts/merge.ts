// Merge keys, patch strategies and list types of the core, apps, batch, discovery, policy and meta groups, as the
// struct tags and markers of upstream's types say them.

/** What one field says about merging; see field-tables.ts for the words. Absent: nothing, and the default holds. */
export interface FieldFacts {
  readonly mergeKey?: string;
  readonly patchStrategy?: string;
  readonly listType?: "atomic" | "map" | "set";
  readonly listMapKeys?: readonly string[];
  readonly mapType?: "atomic" | "granular";
}

/** Field to facts. */
export type ModelFacts = Readonly<Record<string, FieldFacts>>;

/** Both kinds of merge know the same key, unless apply needs more than one. */
export function byKey(mergeKey: string, listMapKeys: readonly string[] = [mergeKey]): FieldFacts {
  return { mergeKey, patchStrategy: "merge", listType: "map", listMapKeys };
}

/** Only server-side apply merges such a list; a strategic merge replaces it. */
export function applyByKey(...listMapKeys: string[]): FieldFacts {
  return { listType: "map", listMapKeys };
}

/** A list or a structure with one owner, who replaces it as a whole. */
export const atomic: FieldFacts = { listType: "atomic" };
/** A list of scalars, each there once and each with an owner of its own. */
export const set: FieldFacts = { listType: "set" };
/** A map with one owner: half of a selector would select other pods. */
export const atomicMap: FieldFacts = { mapType: "atomic" };
/** Strategic merge and apply agree: each value is there once, and added ones join the others. */
const mergedSet: FieldFacts = { patchStrategy: "merge", listType: "set" };

/** Lists that are replaced as a whole, space-separated. */
export function atomics(fields: string): ModelFacts {
  return Object.fromEntries(fields.split(" ").map((field) => [field, atomic]));
}

/** The form in which field-tables.ts looks facts up. */
export function toTable(
  facts: Readonly<Record<string, ModelFacts>>,
): ReadonlyMap<string, ReadonlyMap<string, FieldFacts>> {
  return new Map(Object.entries(facts).map(([model, fields]) => [model, new Map(Object.entries(fields))]));
}

/** Each controller owns its own conditions. */
const conditions = { conditions: byKey("type") };
/** A union by name: what the patch does not name of a chosen volume source goes away. */
const retainingByName: FieldFacts = { ...byKey("name"), patchStrategy: "merge,retainKeys" };

const container: ModelFacts = {
  ...atomics("command args envFrom resizePolicy restartPolicyRules"),
  env: byKey("name"),
  // A port number may serve TCP and UDP at once, which the older merge cannot tell apart.
  ports: byKey("containerPort", ["containerPort", "protocol"]),
  volumeMounts: byKey("mountPath"),
  volumeDevices: byKey("devicePath"),
};

// Affinity terms are alternatives or sums without names.
const podAffinity = atomics(
  "requiredDuringSchedulingIgnoredDuringExecution preferredDuringSchedulingIgnoredDuringExecution",
);

// Metadata and the API's own objects; several owners may each hold a finalizer or an owner reference.
const meta: Record<string, ModelFacts> = {
  ObjectMeta: { ownerReferences: byKey("uid"), finalizers: mergedSet, managedFields: atomic },
  LabelSelector: atomics("matchExpressions"),
  LabelSelectorRequirement: atomics("values"),
  FieldSelectorRequirement: atomics("values"),
  DeleteOptions: atomics("dryRun"),
  StatusDetails: atomics("causes"),
  APIGroup: atomics("versions serverAddressByClientCIDRs"),
  APIGroupList: atomics("groups"),
  APIResource: atomics("categories shortNames"),
  APIResourceList: atomics("resources"),
  APIVersions: atomics("versions serverAddressByClientCIDRs"),
};

// Containers, volumes and the like have names, by which two owners can each bring some.
const pod: Record<string, ModelFacts> = {
  PodSpec: {
    containers: byKey("name"),
    initContainers: byKey("name"),
    ephemeralContainers: byKey("name"),
    volumes: retainingByName,
    resourceClaims: retainingByName,
    imagePullSecrets: byKey("name"),
    hostAliases: byKey("ip"),
    schedulingGates: byKey("name"),
    // One constraint may demand and another prefer over the same topology.
    topologySpreadConstraints: byKey("topologyKey", ["topologyKey", "whenUnsatisfiable"]),
    // Tolerations and gates have no name of their own, and a selector of nodes is one decision.
    tolerations: atomic,
    readinessGates: atomic,
    nodeSelector: atomicMap,
  },
  PodStatus: {
    ...conditions,
    ...atomics(
      "containerStatuses initContainerStatuses ephemeralContainerStatuses nodeAllocatableResourceClaimStatuses",
    ),
    podIPs: byKey("ip"),
    // The two merges disagree here, as upstream's markers do.
    hostIPs: { mergeKey: "ip", patchStrategy: "merge", listType: "atomic" },
    resourceClaimStatuses: retainingByName,
  },
  Container: container,
  EphemeralContainer: container,
  ContainerRestartRuleOnExitCodes: { values: set },
  ContainerStatus: { volumeMounts: byKey("mountPath"), allocatedResourcesStatus: byKey("name") },
  LinuxContainerUser: atomics("supplementalGroups"),
  NodeAllocatableResourceClaimStatus: { containers: set },
  PodExtendedResourceClaimStatus: atomics("requestMappings"),
  ResourceStatus: { resources: applyByKey("resourceID") },
  ResourceRequirements: { claims: applyByKey("name") },
  Capabilities: atomics("add drop"),
  PodSecurityContext: atomics("supplementalGroups sysctls"),
  PodDNSConfig: atomics("nameservers options searches"),
  HostAlias: atomics("hostnames"),
  ExecAction: atomics("command"),
  HTTPGetAction: atomics("httpHeaders"),
  TopologySpreadConstraint: atomics("matchLabelKeys"),
  NodeAffinity: atomics("preferredDuringSchedulingIgnoredDuringExecution"),
  PodAffinity: podAffinity,
  PodAntiAffinity: podAffinity,
  PodAffinityTerm: atomics("namespaces matchLabelKeys mismatchLabelKeys"),
  NodeSelector: atomics("nodeSelectorTerms"),
  NodeSelectorTerm: atomics("matchExpressions matchFields"),
  NodeSelectorRequirement: atomics("values"),
};

// Items of a volume source are one owner's: half a list would leave files out.
const volumes: Record<string, ModelFacts> = {
  CephFSPersistentVolumeSource: atomics("monitors"),
  CephFSVolumeSource: atomics("monitors"),
  ConfigMapProjection: atomics("items"),
  ConfigMapVolumeSource: atomics("items"),
  DownwardAPIProjection: atomics("items"),
  DownwardAPIVolumeSource: atomics("items"),
  FCVolumeSource: atomics("targetWWNs wwids"),
  ISCSIPersistentVolumeSource: atomics("portals"),
  ISCSIVolumeSource: atomics("portals"),
  ProjectedVolumeSource: atomics("sources"),
  RBDPersistentVolumeSource: atomics("monitors"),
  RBDVolumeSource: atomics("monitors"),
  SecretProjection: atomics("items"),
  SecretVolumeSource: atomics("items"),
  PersistentVolumeSpec: { ...atomics("accessModes mountOptions"), claimRef: { mapType: "granular" } },
  PersistentVolumeClaimSpec: atomics("accessModes"),
  PersistentVolumeClaimStatus: {
    ...conditions,
    accessModes: atomic,
    allocatedResourceStatuses: { mapType: "granular" },
  },
};

// The rest of the core group. Addresses of endpoints come and go together.
const core: Record<string, ModelFacts> = {
  ComponentStatus: conditions,
  ContainerImage: atomics("names"),
  Endpoints: atomics("subsets"),
  EndpointSubset: atomics("addresses notReadyAddresses ports"),
  LimitRangeSpec: atomics("limits"),
  LoadBalancerIngress: atomics("ports"),
  LoadBalancerStatus: atomics("ingress"),
  NamespaceSpec: atomics("finalizers"),
  NamespaceStatus: conditions,
  NodeSpec: { podCIDRs: mergedSet, taints: atomic },
  NodeStatus: {
    ...conditions,
    ...atomics("images volumesAttached volumesInUse runtimeHandlers declaredFeatures"),
    addresses: byKey("type"),
  },
  ReplicationControllerSpec: { selector: atomicMap },
  ReplicationControllerStatus: conditions,
  ResourceQuotaSpec: atomics("scopes"),
  ScopeSelector: atomics("matchExpressions"),
  ScopedResourceSelectorRequirement: atomics("values"),
  ServiceAccount: { secrets: byKey("name"), imagePullSecrets: atomic },
  ServiceSpec: {
    ...atomics("clusterIPs externalIPs ipFamilies loadBalancerSourceRanges"),
    // As for container ports: the older merge has one key alone.
    ports: byKey("port", ["port", "protocol"]),
    selector: atomicMap,
  },
  ServiceStatus: conditions,
  TopologySelectorTerm: atomics("matchLabelExpressions"),
  TopologySelectorLabelRequirement: atomics("values"),
};

const workloads: Record<string, ModelFacts> = {
  DaemonSetStatus: conditions,
  // What `type: Recreate` does not name goes away: a rollingUpdate that stayed would be refused.
  DeploymentSpec: { strategy: { patchStrategy: "retainKeys" } },
  DeploymentStatus: conditions,
  ReplicaSetStatus: conditions,
  StatefulSetSpec: atomics("volumeClaimTemplates"),
  StatefulSetStatus: conditions,
  CronJobStatus: atomics("active"),
  // Here too apply replaces what a strategic merge joins.
  JobStatus: { conditions: { mergeKey: "type", patchStrategy: "merge", listType: "atomic" } },
  PodFailurePolicy: atomics("rules"),
  PodFailurePolicyOnExitCodesRequirement: { values: set },
  PodFailurePolicyRule: atomics("onPodConditions"),
  SuccessPolicy: atomics("rules"),
  UncountedTerminatedPods: { failed: set, succeeded: set },
  // Merged, the labels of an old selector would stay beside the new ones.
  PodDisruptionBudgetSpec: { selector: { patchStrategy: "replace" } },
  PodDisruptionBudgetStatus: conditions,
  Endpoint: { addresses: set },
  EndpointHints: atomics("forNodes forZones"),
  EndpointSlice: atomics("endpoints ports"),
};

/** Model to field to facts. */
export const mergeTable = toTable({ ...meta, ...pod, ...volumes, ...core, ...workloads });

/** Types that are replaced as a whole wherever a field has them. */
export const atomicModels: ReadonlySet<string> = new Set([
  "ConfigMapKeySelector",
  "CoreV1EndpointPort",
  "CrossVersionObjectReference",
  "DiscoveryV1EndpointPort",
  "EndpointAddress",
  "FileKeySelector",
  "LabelSelector",
  "LocalObjectReference",
  "MatchResources",
  "NamedRuleWithOperations",
  "NodeSelector",
  "NodeSelectorTerm",
  "ObjectFieldSelector",
  "ObjectReference",
  "OwnerReference",
  "ParamKind",
  "ParamRef",
  "RbacV1Subject",
  "ResourceFieldSelector",
  "RoleRef",
  "ScopeSelector",
  "SecretKeySelector",
  "SecretReference",
  "TopologySelectorTerm",
  "TypedLocalObjectReference",
]);

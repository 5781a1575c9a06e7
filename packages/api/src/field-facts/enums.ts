// The words that upstream declares as enumerations, by `Model.field`.

// Lists that several fields share.
const PROTOCOLS = "SCTP TCP UDP";
const PULL_POLICIES = "Always IfNotPresent Never";
const TERMINATION_MESSAGE_POLICIES = "FallbackToLogsOnError File";
const TAINT_EFFECTS = "NoExecute NoSchedule PreferNoSchedule";
const URI_SCHEMES = "HTTP HTTPS";
const TRAFFIC_POLICIES = "Cluster Local";
const SECCOMP_TYPES = "Localhost RuntimeDefault Unconfined";
const NODE_INCLUSION_POLICIES = "Honor Ignore";
const SELECTOR_OPERATORS = "DoesNotExist Exists In NotIn";
const NODE_SELECTOR_OPERATORS = "DoesNotExist Exists Gt In Lt NotIn";
const CONDITION_STATUSES = "False True Unknown";
const AZURE_CACHING = "None ReadOnly ReadWrite";
const AZURE_KINDS = "Dedicated Managed Shared";
const RETENTION = "Delete Retain";
const FAILURE_POLICIES = "Fail Ignore";
const MATCH_POLICIES = "Equivalent Exact";
const REINVOCATION = "IfNeeded Never";
const RULE_SCOPES = "* Cluster Namespaced";

/** Space-separated and sorted, as OpenAPI lists them. Only types that upstream marks +enum: other fields may know words too. */
const ENUMS: Readonly<Record<string, string>> = {
  "AppArmorProfile.type": SECCOMP_TYPES,
  "AzureDiskVolumeSource.cachingMode": AZURE_CACHING,
  "AzureDiskVolumeSource.kind": AZURE_KINDS,
  "Container.imagePullPolicy": PULL_POLICIES,
  "Container.terminationMessagePolicy": TERMINATION_MESSAGE_POLICIES,
  "ContainerPort.protocol": PROTOCOLS,
  "ContainerRestartRule.action": "Restart RestartAllContainers",
  "ContainerRestartRuleOnExitCodes.operator": "In NotIn",
  "CoreV1EndpointPort.protocol": PROTOCOLS,
  "CronJobSpec.concurrencyPolicy": "Allow Forbid Replace",
  "CSIDriverSpec.fsGroupPolicy": "File None ReadWriteOnceWithFSType",
  "DaemonSetUpdateStrategy.type": "OnDelete RollingUpdate",
  "DeploymentStrategy.type": "Recreate RollingUpdate",
  "DiscoveryV1EndpointPort.protocol": PROTOCOLS,
  "EndpointSlice.addressType": "FQDN IPv4 IPv6",
  "EphemeralContainer.imagePullPolicy": PULL_POLICIES,
  "EphemeralContainer.terminationMessagePolicy": TERMINATION_MESSAGE_POLICIES,
  "HTTPGetAction.scheme": URI_SCHEMES,
  "HTTPIngressPath.pathType": "Exact ImplementationSpecific Prefix",
  // The first word is the empty one: nothing is checked before mounting.
  "HostPathVolumeSource.type": " BlockDevice CharDevice Directory DirectoryOrCreate File FileOrCreate Socket",
  "JobSpec.completionMode": "Indexed NonIndexed",
  "JobSpec.podReplacementPolicy": "Failed TerminatingOrFailed",
  "LabelSelectorRequirement.operator": SELECTOR_OPERATORS,
  "LimitRangeItem.type": "Container PersistentVolumeClaim Pod",
  "MutatingWebhook.failurePolicy": FAILURE_POLICIES,
  "MutatingWebhook.matchPolicy": MATCH_POLICIES,
  "MutatingWebhook.reinvocationPolicy": REINVOCATION,
  "NamespaceStatus.phase": "Active Terminating",
  "NetworkPolicyPort.protocol": PROTOCOLS,
  "NodeSelectorRequirement.operator": NODE_SELECTOR_OPERATORS,
  "NodeStatus.phase": "Pending Running Terminated",
  "PersistentVolumeClaimSpec.volumeMode": "Block Filesystem",
  "PersistentVolumeClaimStatus.phase": "Bound Lost Pending",
  "PersistentVolumeSpec.persistentVolumeReclaimPolicy": "Delete Recycle Retain",
  "PersistentVolumeSpec.volumeMode": "Block Filesystem",
  "PersistentVolumeStatus.phase": "Available Bound Failed Pending Released",
  "PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy": "AlwaysAllow IfHealthyBudget",
  "PodFailurePolicyOnExitCodesRequirement.operator": "In NotIn",
  "PodFailurePolicyRule.action": "Count FailIndex FailJob Ignore",
  // Lower case, as in the labels of nodes; the others are words of Kubernetes and begin with a capital.
  "PodOS.name": "linux windows",
  "PodSecurityContext.fsGroupChangePolicy": "Always OnRootMismatch",
  "PodSecurityContext.seLinuxChangePolicy": "MountOption Recursive",
  "PodSecurityContext.supplementalGroupsPolicy": "Merge Strict",
  "PodSpec.dnsPolicy": "ClusterFirst ClusterFirstWithHostNet Default None",
  "PodSpec.preemptionPolicy": "Never PreemptLowerPriority",
  "PodSpec.restartPolicy": "Always Never OnFailure",
  "PodStatus.phase": "Failed Pending Running Succeeded Unknown",
  "PodStatus.qosClass": "BestEffort Burstable Guaranteed",
  // Deprecated in favour of conditions, and still declared.
  "PodStatus.resize": "Deferred Infeasible InProgress Proposed",
  "PortStatus.protocol": PROTOCOLS,
  "PriorityClass.preemptionPolicy": "Never PreemptLowerPriority",
  "RuleWithOperations.scope": RULE_SCOPES,
  "NamedRuleWithOperations.scope": RULE_SCOPES,
  "ScopedResourceSelectorRequirement.operator": SELECTOR_OPERATORS,
  // The scopes of quotas that a selector may name.
  "ScopedResourceSelectorRequirement.scopeName":
    "BestEffort CrossNamespacePodAffinity NotBestEffort NotTerminating PriorityClass Terminating VolumeAttributesClass",
  "SeccompProfile.type": SECCOMP_TYPES,
  "SecurityContext.procMount": "Default Unmasked",
  "ServicePort.protocol": PROTOCOLS,
  "ServiceSpec.externalTrafficPolicy": TRAFFIC_POLICIES,
  "ServiceSpec.internalTrafficPolicy": TRAFFIC_POLICIES,
  "ServiceSpec.ipFamilyPolicy": "PreferDualStack RequireDualStack SingleStack",
  "ServiceSpec.sessionAffinity": "ClientIP None",
  "ServiceSpec.type": "ClusterIP ExternalName LoadBalancer NodePort",
  "StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted": RETENTION,
  "StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled": RETENTION,
  "StatefulSetSpec.podManagementPolicy": "OrderedReady Parallel",
  "StatefulSetUpdateStrategy.type": "OnDelete RollingUpdate",
  "StorageClass.reclaimPolicy": "Delete Recycle Retain",
  "StorageClass.volumeBindingMode": "Immediate WaitForFirstConsumer",
  "Taint.effect": TAINT_EFFECTS,
  "Toleration.effect": TAINT_EFFECTS,
  // Gt and Lt are declared, and refused unless a feature gate is on.
  "Toleration.operator": "Equal Exists Gt Lt",
  "TopologySpreadConstraint.nodeAffinityPolicy": NODE_INCLUSION_POLICIES,
  "TopologySpreadConstraint.nodeTaintsPolicy": NODE_INCLUSION_POLICIES,
  "TopologySpreadConstraint.whenUnsatisfiable": "DoNotSchedule ScheduleAnyway",
  "ValidatingWebhook.failurePolicy": FAILURE_POLICIES,
  "ValidatingWebhook.matchPolicy": MATCH_POLICIES,
};

/** Condition statuses are the same three words in every kind. */
const CONDITION_MODELS =
  "Condition DaemonSetCondition DeploymentCondition JobCondition NamespaceCondition NodeCondition PersistentVolumeClaimCondition PodCondition ReplicaSetCondition ReplicationControllerCondition StatefulSetCondition";

/** `Model.field` to its words. Clients read them in the OpenAPI documents; the server's own checks are in kinds/. */
export const enumTable: ReadonlyMap<string, readonly string[]> = new Map([
  ...Object.entries(ENUMS).map(([field, words]): [string, readonly string[]] => [field, words.split(" ")]),
  ...CONDITION_MODELS.split(" ").map((model): [string, readonly string[]] => [
    `${model}.status`,
    CONDITION_STATUSES.split(" "),
  ]),
]);

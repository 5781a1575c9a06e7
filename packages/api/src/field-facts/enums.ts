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
const AZURE_CACHING = "None ReadOnly ReadWrite";
const AZURE_KINDS = "Dedicated Managed Shared";
const FAILURE_POLICIES = "Fail Ignore";
const MATCH_POLICIES = "Equivalent Exact";
const REINVOCATION = "IfNeeded Never";
const ACCESS_MODES = "ReadOnlyMany ReadWriteMany ReadWriteOnce ReadWriteOncePod";
const OPERATIONS = "* CONNECT CREATE DELETE UPDATE";
const SIDE_EFFECTS = "None NoneOnDryRun Some Unknown";
const QUOTA_SCOPES =
  "BestEffort CrossNamespacePodAffinity NotBestEffort NotTerminating PriorityClass Terminating VolumeAttributesClass";
const RULE_SCOPES = "* Cluster Namespaced";

/** Space-separated and sorted, as OpenAPI lists them. Only types that upstream marks +enum: other fields may know words too. */
const ENUMS: Readonly<Record<string, string>> = {
  "AppArmorProfile.type": SECCOMP_TYPES,
  "AzureDiskVolumeSource.cachingMode": AZURE_CACHING,
  "AzureDiskVolumeSource.kind": AZURE_KINDS,
  "Container.imagePullPolicy": PULL_POLICIES,
  "Container.terminationMessagePolicy": TERMINATION_MESSAGE_POLICIES,
  "ContainerPort.protocol": PROTOCOLS,
  "CoreV1EndpointPort.protocol": PROTOCOLS,
  "CronJobSpec.concurrencyPolicy": "Allow Forbid Replace",
  "DaemonSetUpdateStrategy.type": "OnDelete RollingUpdate",
  "DeploymentStrategy.type": "Recreate RollingUpdate",
  "DeviceAllocationConfiguration.source": "FromClaim FromClass",
  "DeviceSubRequest.allocationMode": "All ExactCount",
  "DeviceTaint.effect": "NoExecute NoSchedule None",
  "DeviceToleration.effect": "NoExecute NoSchedule None",
  "DeviceToleration.operator": "Equal Exists",
  "DiscoveryV1EndpointPort.protocol": PROTOCOLS,
  "EndpointSlice.addressType": "FQDN IPv4 IPv6",
  "EphemeralContainer.imagePullPolicy": PULL_POLICIES,
  "EphemeralContainer.terminationMessagePolicy": TERMINATION_MESSAGE_POLICIES,
  "ExactDeviceRequest.allocationMode": "All ExactCount",
  "HTTPGetAction.scheme": URI_SCHEMES,
  "HTTPIngressPath.pathType": "Exact ImplementationSpecific Prefix",
  // The first word is the empty one: nothing is checked before mounting.
  "HostPathVolumeSource.type": " BlockDevice CharDevice Directory DirectoryOrCreate File FileOrCreate Socket",
  "ImageVolumeSource.pullPolicy": PULL_POLICIES,
  "IngressPortStatus.protocol": PROTOCOLS,
  "JobSpec.completionMode": "Indexed NonIndexed",
  "JobSpec.podReplacementPolicy": "Failed TerminatingOrFailed",
  "MatchResources.matchPolicy": MATCH_POLICIES,
  "ModifyVolumeStatus.status": "InProgress Infeasible Pending",
  "MutatingAdmissionPolicySpec.failurePolicy": FAILURE_POLICIES,
  "MutatingAdmissionPolicySpec.reinvocationPolicy": REINVOCATION,
  "MutatingWebhook.failurePolicy": FAILURE_POLICIES,
  "MutatingWebhook.matchPolicy": MATCH_POLICIES,
  "MutatingWebhook.reinvocationPolicy": REINVOCATION,
  "MutatingWebhook.sideEffects": SIDE_EFFECTS,
  "Mutation.patchType": "ApplyConfiguration JSONPatch",
  "NamedRuleWithOperations.operations": OPERATIONS,
  "NamespaceStatus.phase": "Active Terminating",
  "NetworkPolicyPort.protocol": PROTOCOLS,
  "NetworkPolicySpec.policyTypes": "Egress Ingress",
  "NodeSelectorRequirement.operator": NODE_SELECTOR_OPERATORS,
  "NodeStatus.phase": "Pending Running Terminated",
  "PersistentVolumeClaimSpec.accessModes": ACCESS_MODES,
  "PersistentVolumeClaimStatus.accessModes": ACCESS_MODES,
  "PersistentVolumeSpec.accessModes": ACCESS_MODES,
  "PersistentVolumeClaimSpec.volumeMode": "Block Filesystem",
  "PersistentVolumeClaimStatus.phase": "Bound Lost Pending",
  "PersistentVolumeSpec.persistentVolumeReclaimPolicy": "Delete Recycle Retain",
  "PersistentVolumeSpec.volumeMode": "Block Filesystem",
  "PersistentVolumeStatus.phase": "Available Bound Failed Pending Released",
  "PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy": "AlwaysAllow IfHealthyBudget",
  "PodFailurePolicyOnExitCodesRequirement.operator": "In NotIn",
  "PodFailurePolicyRule.action": "Count FailIndex FailJob Ignore",
  "PodSecurityContext.fsGroupChangePolicy": "Always OnRootMismatch",
  "PodSecurityContext.supplementalGroupsPolicy": "Merge Strict",
  "PodSpec.dnsPolicy": "ClusterFirst ClusterFirstWithHostNet Default None",
  "PodSpec.preemptionPolicy": "Never PreemptLowerPriority",
  "PodSpec.restartPolicy": "Always Never OnFailure",
  "PodStatus.phase": "Failed Pending Running Succeeded Unknown",
  "PodStatus.qosClass": "BestEffort Burstable Guaranteed",
  "PortStatus.protocol": PROTOCOLS,
  "PriorityClass.preemptionPolicy": "Never PreemptLowerPriority",
  "ResourceQuotaSpec.scopes": QUOTA_SCOPES,
  "RuleWithOperations.operations": OPERATIONS,
  "RuleWithOperations.scope": RULE_SCOPES,
  "NamedRuleWithOperations.scope": RULE_SCOPES,
  "ScopedResourceSelectorRequirement.operator": SELECTOR_OPERATORS,
  // The scopes of quotas that a selector may name.
  "ScopedResourceSelectorRequirement.scopeName": QUOTA_SCOPES,
  "SeccompProfile.type": SECCOMP_TYPES,
  "SecurityContext.procMount": "Default Unmasked",
  "ServicePort.protocol": PROTOCOLS,
  "ServiceSpec.externalTrafficPolicy": TRAFFIC_POLICIES,
  "ServiceSpec.internalTrafficPolicy": TRAFFIC_POLICIES,
  // The empty word is declared too.
  "ServiceSpec.ipFamilies": " IPv4 IPv6",
  "ServiceSpec.ipFamilyPolicy": "PreferDualStack RequireDualStack SingleStack",
  "ServiceSpec.sessionAffinity": "ClientIP None",
  "ServiceSpec.type": "ClusterIP ExternalName LoadBalancer NodePort",
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
  "ValidatingWebhook.sideEffects": SIDE_EFFECTS,
  "ValidatingAdmissionPolicyBindingSpec.validationActions": "Audit Deny Warn",
  "ValidatingAdmissionPolicySpec.failurePolicy": FAILURE_POLICIES,
  "ValidationRule.reason": "FieldValueDuplicate FieldValueForbidden FieldValueInvalid FieldValueRequired",
  "VolumeMount.mountPropagation": "Bidirectional HostToContainer None",
};

/** Linux has more signals than can be listed by hand: the real-time ones are counted from both ends. */
function signals(): string[] {
  const plain =
    "ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT RTMAX RTMIN SEGV STKFLT STOP SYS TERM TRAP " +
    "TSTP TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ";
  const names = plain.split(" ");
  for (let i = 1; i <= 15; i++) {
    names.push(`RTMIN+${i}`);
    if (i < 15) names.push(`RTMAX-${i}`);
  }
  return names.map((name) => `SIG${name}`).sort();
}

// Words with spaces in them, as certificates have them.
const KEY_USAGES = [
  ...["any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment"],
  ...["decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel"],
  ...["ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime"],
  ...["server auth", "signing", "timestamping"],
];

/** `Model.field` to its words, of lists to those of their items. Clients read them in the OpenAPI documents; the server's own checks are in kinds/. */
export const enumTable: ReadonlyMap<string, readonly string[]> = new Map<string, readonly string[]>([
  ...Object.entries(ENUMS).map(([field, words]): [string, readonly string[]] => [field, words.split(" ")]),
  ["CertificateSigningRequestSpec.usages", KEY_USAGES],
  ["ContainerStatus.stopSignal", signals()],
  ["Lifecycle.stopSignal", signals()],
]);

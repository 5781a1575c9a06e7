// Fields in which a zero is something else than absence: upstream writes the others even when nobody set them.

/** Whether 0, false or "" in this field was meant. Other zeros are dropped, as JSON's omitempty does. */
export function keepsZero(model: string, field: string): boolean {
  return ANYWHERE.has(field) ? !PLAIN.has(`${model}.${field}`) : ONLY_IN.has(`${model}.${field}`);
}

/** Pointers in upstream's Go types, in every type that has a field of that name. */
const ANYWHERE: ReadonlySet<string> = new Set([
  ...["replicas", "revisionHistoryLimit", "progressDeadlineSeconds", "collisionCount", "terminatingReplicas"],
  ...["terminationGracePeriodSeconds", "activeDeadlineSeconds", "priority", "tolerationSeconds", "minDomains"],
  ...["gracePeriodSeconds", "deletionGracePeriodSeconds", "expirationSeconds", "defaultMode", "mode"],
  ...["runAsUser", "runAsGroup", "fsGroup", "leaseDurationSeconds", "leaseTransitions"],
  ...["automountServiceAccountToken", "privileged", "runAsNonRoot", "readOnlyRootFilesystem", "optional"],
  ...["allowPrivilegeEscalation", "enableServiceLinks", "controller", "blockOwnerDeletion", "immutable"],
  ...["shareProcessNamespace", "setHostnameAsFQDN", "hostUsers", "started", "orphanDependents"],
  ...["parallelism", "completions", "backoffLimit", "backoffLimitPerIndex", "ttlSecondsAfterFinished", "partition"],
  ...["successfulJobsHistoryLimit", "failedJobsHistoryLimit", "startingDeadlineSeconds", "maxFailedIndexes"],
  ...["minReplicas", "stabilizationWindowSeconds", "attachRequired", "podInfoOnMount", "storageCapacity"],
  ...["manualSelector", "nominalConcurrencyShares", "lendablePercent", "allowVolumeExpansion"],
  ...["allocateLoadBalancerNodePorts", "suspend", "hostProcess", "storageClassName"],
]);

/** Where upstream's field of that name is a plain value after all. */
const PLAIN: ReadonlySet<string> = new Set([
  ...["CustomResourceColumnDefinition.priority", "V1beta1CustomResourceColumnDefinition.priority"],
  ...["DeploymentStatus.replicas", "ReplicaSetStatus.replicas", "ScaleSpec.replicas", "ScaleStatus.replicas"],
]);

/** Names that are pointers in some types and plain values in others. */
const ONLY_IN: ReadonlySet<string> = new Set([
  ...["DeviceAttribute.int", "DeviceAttribute.bool", "ResourcePool.generation", "ResourceSliceSpec.allNodes"],
  ...["ResourceSliceSpec.perDeviceNodeSelection", "Device.allNodes", "Device.bindsToNode"],
  ...["Device.allowMultipleAllocations", "ExactDeviceRequest.adminAccess", "DeviceRequestAllocationResult.adminAccess"],
  ...["maximum", "minimum", "maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"].map(
    (field) => `JSONSchemaProps.${field}`,
  ),
  // JSON writes these two always, so nobody knows them absent.
  ...["served", "storage"].flatMap((field) => [
    `CustomResourceDefinitionVersion.${field}`,
    `V1beta1CustomResourceDefinitionVersion.${field}`,
  ]),
  ...["EndpointConditions.ready", "EndpointConditions.serving", "EndpointConditions.terminating"],
  ...["DiscoveryV1EndpointPort.port", "ClientIPConfig.timeoutSeconds"],
]);

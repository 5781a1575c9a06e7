// The numbers of fields in upstream's protobuf messages for the kinds beside the first ones; written as in field-numbers.ts.

const CONDITION = "type status lastTransitionTime reason message";
const OBJECT = "metadata spec status";

const workloads: Record<string, string> = {
  CronJob: OBJECT,
  CronJobSpec:
    "schedule startingDeadlineSeconds concurrencyPolicy suspend jobTemplate successfulJobsHistoryLimit failedJobsHistoryLimit timeZone",
  CronJobStatus: "active 4:lastScheduleTime lastSuccessfulTime",
  ControllerRevision: "metadata data revision",
  DaemonSet: OBJECT,
  DaemonSetCondition: CONDITION,
  DaemonSetSpec: "selector template updateStrategy minReadySeconds 6:revisionHistoryLimit",
  DaemonSetStatus:
    "currentNumberScheduled numberMisscheduled desiredNumberScheduled numberReady observedGeneration updatedNumberScheduled numberAvailable numberUnavailable collisionCount conditions",
  DaemonSetUpdateStrategy: "type rollingUpdate",
  Job: OBJECT,
  JobCondition: "type status lastProbeTime lastTransitionTime reason message",
  JobSpec:
    "parallelism completions activeDeadlineSeconds selector manualSelector template backoffLimit ttlSecondsAfterFinished completionMode suspend podFailurePolicy backoffLimitPerIndex maxFailedIndexes podReplacementPolicy managedBy successPolicy",
  JobStatus:
    "conditions startTime completionTime active succeeded failed completedIndexes uncountedTerminatedPods ready failedIndexes terminating",
  JobTemplateSpec: "metadata spec",
  PodDisruptionBudget: OBJECT,
  PodDisruptionBudgetSpec: "minAvailable selector maxUnavailable unhealthyPodEvictionPolicy",
  PodDisruptionBudgetStatus:
    "observedGeneration disruptedPods disruptionsAllowed currentHealthy desiredHealthy expectedPods conditions",
  PodFailurePolicy: "rules",
  PodFailurePolicyOnExitCodesRequirement: "containerName operator values",
  PodFailurePolicyOnPodConditionsPattern: "type status",
  PodFailurePolicyRule: "action onExitCodes onPodConditions",
  PodTemplate: "metadata template",
  ReplicationController: OBJECT,
  ReplicationControllerCondition: CONDITION,
  ReplicationControllerSpec: "replicas selector template minReadySeconds",
  ReplicationControllerStatus:
    "replicas fullyLabeledReplicas observedGeneration readyReplicas availableReplicas conditions",
  RollingUpdateDaemonSet: "maxUnavailable maxSurge",
  RollingUpdateStatefulSetStrategy: "partition maxUnavailable",
  StatefulSet: OBJECT,
  StatefulSetCondition: CONDITION,
  StatefulSetOrdinals: "start",
  StatefulSetPersistentVolumeClaimRetentionPolicy: "whenDeleted whenScaled",
  StatefulSetSpec:
    "replicas selector template volumeClaimTemplates serviceName podManagementPolicy updateStrategy revisionHistoryLimit minReadySeconds persistentVolumeClaimRetentionPolicy ordinals",
  StatefulSetStatus:
    "observedGeneration replicas readyReplicas currentReplicas updatedReplicas currentRevision updateRevision 9:collisionCount conditions availableReplicas",
  StatefulSetUpdateStrategy: "type rollingUpdate",
  SuccessPolicy: "rules",
  SuccessPolicyRule: "succeededIndexes succeededCount",
  UncountedTerminatedPods: "succeeded failed",
};

const METRIC = "type object pods resource external 7:containerResource";

const autoscaling: Record<string, string> = {
  CrossVersionObjectReference: "kind name apiVersion",
  HorizontalPodAutoscaler: OBJECT,
  HorizontalPodAutoscalerSpec: "scaleTargetRef minReplicas maxReplicas targetCPUUtilizationPercentage",
  HorizontalPodAutoscalerStatus:
    "observedGeneration lastScaleTime currentReplicas desiredReplicas currentCPUUtilizationPercentage",
  V2ContainerResourceMetricSource: "name target container",
  V2ContainerResourceMetricStatus: "name current container",
  V2CrossVersionObjectReference: "kind name apiVersion",
  V2ExternalMetricSource: "metric target",
  V2ExternalMetricStatus: "metric current",
  V2HPAScalingPolicy: "type value periodSeconds",
  V2HPAScalingRules: "selectPolicy policies stabilizationWindowSeconds tolerance",
  V2HorizontalPodAutoscaler: OBJECT,
  V2HorizontalPodAutoscalerBehavior: "scaleUp scaleDown",
  V2HorizontalPodAutoscalerCondition: CONDITION,
  V2HorizontalPodAutoscalerSpec: "scaleTargetRef minReplicas maxReplicas metrics behavior",
  V2HorizontalPodAutoscalerStatus:
    "observedGeneration lastScaleTime currentReplicas desiredReplicas currentMetrics conditions",
  V2MetricIdentifier: "name selector",
  V2MetricSpec: METRIC,
  V2MetricStatus: METRIC,
  V2MetricTarget: "type value averageValue averageUtilization",
  V2MetricValueStatus: "value averageValue averageUtilization",
  V2ObjectMetricSource: "describedObject target metric",
  V2ObjectMetricStatus: "metric current describedObject",
  V2PodsMetricSource: "metric target",
  V2PodsMetricStatus: "metric current",
  V2ResourceMetricSource: "name target",
  V2ResourceMetricStatus: "name current",
};

const networking: Record<string, string> = {
  HTTPIngressPath: "path backend pathType",
  HTTPIngressRuleValue: "paths",
  IPAddress: "metadata spec",
  IPAddressSpec: "parentRef",
  IPBlock: "cidr except",
  Ingress: OBJECT,
  IngressBackend: "3:resource service",
  IngressClass: "metadata spec",
  IngressClassParametersReference: "apiGroup kind name scope namespace",
  IngressClassSpec: "controller parameters",
  IngressLoadBalancerIngress: "ip hostname 4:ports",
  IngressLoadBalancerStatus: "ingress",
  IngressPortStatus: "port protocol error",
  IngressRule: "host >IngressRuleValue",
  IngressRuleValue: "http",
  IngressServiceBackend: "name port",
  IngressSpec: "defaultBackend tls rules ingressClassName",
  IngressStatus: "loadBalancer",
  IngressTLS: "hosts secretName",
  NetworkPolicy: "metadata spec",
  NetworkPolicyEgressRule: "ports to",
  NetworkPolicyIngressRule: "ports from",
  NetworkPolicyPeer: "podSelector namespaceSelector ipBlock",
  NetworkPolicyPort: "protocol port endPort",
  NetworkPolicySpec: "podSelector ingress egress policyTypes",
  ParentReference: "group resource namespace name",
  ServiceBackendPort: "name number",
  ServiceCIDR: OBJECT,
  ServiceCIDRSpec: "cidrs",
  ServiceCIDRStatus: "conditions",
};

const volumes: Record<string, string> = {
  AzureFilePersistentVolumeSource: "secretName shareName readOnly secretNamespace",
  CSIPersistentVolumeSource:
    "driver volumeHandle readOnly fsType volumeAttributes controllerPublishSecretRef nodeStageSecretRef nodePublishSecretRef controllerExpandSecretRef nodeExpandSecretRef",
  CephFSPersistentVolumeSource: "monitors path user secretFile secretRef readOnly",
  CinderPersistentVolumeSource: "volumeID fsType readOnly secretRef",
  FlexPersistentVolumeSource: "driver fsType secretRef readOnly options",
  GlusterfsPersistentVolumeSource: "endpoints path readOnly endpointsNamespace",
  ISCSIPersistentVolumeSource:
    "targetPortal iqn lun iscsiInterface fsType readOnly portals chapAuthDiscovery 10:secretRef chapAuthSession initiatorName",
  LocalVolumeSource: "path fsType",
  ModifyVolumeStatus: "targetVolumeAttributesClassName status",
  PersistentVolume: OBJECT,
  PersistentVolumeClaim: OBJECT,
  PersistentVolumeClaimCondition: "type status lastProbeTime lastTransitionTime reason message",
  PersistentVolumeClaimStatus:
    "phase accessModes capacity conditions allocatedResources 7:allocatedResourceStatuses currentVolumeAttributesClassName modifyVolumeStatus",
  PersistentVolumeSource:
    "gcePersistentDisk awsElasticBlockStore hostPath glusterfs nfs rbd iscsi cinder cephfs fc flocker flexVolume azureFile vsphereVolume quobyte azureDisk photonPersistentDisk portworxVolume scaleIO local storageos csi",
  PersistentVolumeSpec:
    "capacity >PersistentVolumeSource accessModes claimRef persistentVolumeReclaimPolicy storageClassName mountOptions volumeMode nodeAffinity volumeAttributesClassName",
  PersistentVolumeStatus: "phase message reason lastPhaseTransitionTime",
  RBDPersistentVolumeSource: "monitors image fsType pool user keyring secretRef readOnly",
  ScaleIOPersistentVolumeSource:
    "gateway system secretRef sslEnabled protectionDomain storagePool storageMode volumeName fsType readOnly",
  SecretReference: "name namespace",
  StorageOSPersistentVolumeSource: "volumeName volumeNamespace fsType readOnly secretRef",
  VolumeNodeAffinity: "required",
};

const storage: Record<string, string> = {
  CSIDriver: "metadata spec",
  CSIDriverSpec:
    "attachRequired podInfoOnMount volumeLifecycleModes storageCapacity fsGroupPolicy tokenRequests requiresRepublish seLinuxMount nodeAllocatableUpdatePeriodSeconds serviceAccountTokenInSecrets preventPodSchedulingIfMissing",
  CSINode: "metadata spec",
  CSINodeDriver: "name nodeID topologyKeys allocatable",
  CSINodeSpec: "drivers",
  CSIStorageCapacity: "metadata nodeTopology storageClassName capacity maximumVolumeSize",
  StorageClass:
    "metadata provisioner parameters reclaimPolicy mountOptions allowVolumeExpansion volumeBindingMode allowedTopologies",
  StorageV1TokenRequest: "audience expirationSeconds",
  TopologySelectorLabelRequirement: "key values",
  TopologySelectorTerm: "matchLabelExpressions",
  VolumeAttachment: OBJECT,
  VolumeAttachmentSource: "persistentVolumeName inlineVolumeSpec",
  VolumeAttachmentSpec: "attacher source nodeName",
  VolumeAttachmentStatus: "attached attachmentMetadata attachError detachError",
  VolumeAttributesClass: "metadata driverName parameters",
  VolumeError: "time message errorCode",
  VolumeNodeResources: "count",
};

const policies: Record<string, string> = {
  CertificateSigningRequest: OBJECT,
  CertificateSigningRequestCondition: "type reason message lastUpdateTime lastTransitionTime status",
  CertificateSigningRequestSpec: "request username uid groups usages extra signerName expirationSeconds",
  CertificateSigningRequestStatus: "conditions certificate",
  EventsV1Event:
    "metadata eventTime series reportingController reportingInstance action reason regarding related note type deprecatedSource deprecatedFirstTimestamp deprecatedLastTimestamp deprecatedCount",
  EventsV1EventSeries: "count lastObservedTime",
  LimitRange: "metadata spec",
  LimitRangeItem: "type max min default defaultRequest maxLimitRequestRatio",
  LimitRangeSpec: "limits",
  Overhead: "podFixed",
  PriorityClass: "metadata value globalDefault description preemptionPolicy",
  ResourceQuota: OBJECT,
  ResourceQuotaSpec: "hard scopes scopeSelector",
  ResourceQuotaStatus: "hard used",
  RuntimeClass: "metadata handler overhead scheduling",
  Scheduling: "nodeSelector tolerations",
  ScopeSelector: "matchExpressions",
  ScopedResourceSelectorRequirement: "scopeName operator values",
};

const admission: Record<string, string> = {
  AdmissionregistrationV1ServiceReference: "namespace name path port",
  AdmissionregistrationV1WebhookClientConfig: "service caBundle url",
  ApplyConfiguration: "expression",
  JSONPatch: "expression",
  MatchCondition: "name expression",
  MutatingAdmissionPolicy: "metadata spec",
  MutatingAdmissionPolicyBinding: "metadata spec",
  MutatingAdmissionPolicyBindingSpec: "policyName paramRef matchResources",
  MutatingAdmissionPolicySpec:
    "paramKind matchConstraints variables mutations failurePolicy matchConditions reinvocationPolicy",
  Mutation: "2:patchType applyConfiguration jsonPatch",
  MutatingWebhook:
    "name clientConfig rules failurePolicy namespaceSelector sideEffects timeoutSeconds admissionReviewVersions matchPolicy reinvocationPolicy objectSelector matchConditions",
  MutatingWebhookConfiguration: "metadata webhooks",
  AuditAnnotation: "key valueExpression",
  ExpressionWarning: "2:fieldRef warning",
  MatchResources: "namespaceSelector objectSelector resourceRules excludeResourceRules 7:matchPolicy",
  NamedRuleWithOperations: "resourceNames >RuleWithOperations",
  ParamKind: "apiVersion kind",
  ParamRef: "name namespace selector parameterNotFoundAction",
  Rule: "apiGroups apiVersions resources scope",
  RuleWithOperations: "operations >Rule",
  TypeChecking: "expressionWarnings",
  ValidatingAdmissionPolicy: OBJECT,
  ValidatingAdmissionPolicyBinding: "metadata spec",
  ValidatingAdmissionPolicyBindingSpec: "policyName paramRef matchResources validationActions",
  ValidatingAdmissionPolicySpec:
    "paramKind matchConstraints validations failurePolicy auditAnnotations matchConditions variables",
  ValidatingAdmissionPolicyStatus: "observedGeneration typeChecking conditions",
  Validation: "expression message reason messageExpression",
  Variable: "name expression",
  ValidatingWebhook:
    "name clientConfig rules failurePolicy namespaceSelector sideEffects timeoutSeconds admissionReviewVersions matchPolicy objectSelector matchConditions",
  ValidatingWebhookConfiguration: "metadata webhooks",
};

const flowControl: Record<string, string> = {
  ExemptPriorityLevelConfiguration: "nominalConcurrencyShares lendablePercent",
  FlowDistinguisherMethod: "type",
  FlowSchema: OBJECT,
  FlowSchemaCondition: CONDITION,
  FlowSchemaSpec: "priorityLevelConfiguration matchingPrecedence distinguisherMethod rules",
  FlowSchemaStatus: "conditions",
  FlowcontrolV1Subject: "kind user group serviceAccount",
  GroupSubject: "name",
  LimitResponse: "type queuing",
  LimitedPriorityLevelConfiguration: "nominalConcurrencyShares limitResponse lendablePercent borrowingLimitPercent",
  NonResourcePolicyRule: "verbs 6:nonResourceURLs",
  PolicyRulesWithSubjects: "subjects resourceRules nonResourceRules",
  PriorityLevelConfiguration: OBJECT,
  PriorityLevelConfigurationCondition: CONDITION,
  PriorityLevelConfigurationReference: "name",
  PriorityLevelConfigurationSpec: "type limited exempt",
  PriorityLevelConfigurationStatus: "conditions",
  QueuingConfiguration: "queues handSize queueLengthLimit",
  ResourcePolicyRule: "verbs apiGroups resources clusterScope namespaces",
  ServiceAccountSubject: "namespace name",
  UserSubject: "name",
};

/** By model. A body of a kind without an entry in any of these tables is refused with 400. */
export const FIELD_NUMBERS_OF_OTHER_GROUPS: Readonly<Record<string, string>> = {
  ...workloads,
  ...autoscaling,
  ...networking,
  ...volumes,
  ...storage,
  ...policies,
  ...admission,
  ...flowControl,
};

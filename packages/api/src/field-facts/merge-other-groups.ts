// Merge keys, patch strategies and list types of the groups beside core, apps, batch, discovery and policy.
import { applyByKey, atomic, atomicMap, atomics, byKey, type ModelFacts, set, toTable } from "./merge.ts";

// Each condition is owned by the controller that writes it, and lists of them merge by type.
const conditions = { conditions: byKey("type") };
const matchConditions = { matchConditions: byKey("name") };
// What a webhook or a policy matches is one decision; half of a list would match something else.
const admissionRule = atomics("apiGroups apiVersions operations resources");
const webhook: ModelFacts = { ...matchConditions, ...atomics("rules admissionReviewVersions") };

/** Rules and subjects have no key to merge by, so their lists are replaced as a whole. */
const access: Record<string, ModelFacts> = {
  AggregationRule: atomics("clusterRoleSelectors"),
  ClusterRole: atomics("rules"),
  ClusterRoleBinding: atomics("subjects"),
  PolicyRule: atomics("apiGroups nonResourceURLs resourceNames resources verbs"),
  Role: atomics("rules"),
  RoleBinding: atomics("subjects"),
  FieldSelectorAttributes: atomics("requirements"),
  LabelSelectorAttributes: atomics("requirements"),
  NonResourceRule: atomics("nonResourceURLs verbs"),
  ResourceRule: atomics("apiGroups resourceNames resources verbs"),
  SubjectAccessReviewSpec: atomics("groups"),
  SubjectRulesReviewStatus: atomics("nonResourceRules resourceRules"),
  TokenRequestSpec: atomics("audiences"),
  TokenReviewSpec: atomics("audiences"),
  TokenReviewStatus: atomics("audiences"),
  UserInfo: atomics("groups"),
  CertificateSigningRequestSpec: atomics("groups usages"),
  CertificateSigningRequestStatus: { conditions: applyByKey("type") },
  PodCertificateRequestStatus: conditions,
};

// Webhooks have names that tell them apart; rules and validations have none.
const admission: Record<string, ModelFacts> = {
  MatchResources: atomics("excludeResourceRules resourceRules"),
  MutatingAdmissionPolicySpec: { ...matchConditions, mutations: atomic, variables: atomic },
  MutatingWebhook: webhook,
  MutatingWebhookConfiguration: { webhooks: byKey("name") },
  NamedRuleWithOperations: { ...admissionRule, resourceNames: atomic },
  RuleWithOperations: admissionRule,
  TypeChecking: atomics("expressionWarnings"),
  // Two owners may each ask for an action.
  ValidatingAdmissionPolicyBindingSpec: { validationActions: set },
  ValidatingAdmissionPolicySpec: {
    ...matchConditions,
    ...atomics("auditAnnotations validations"),
    variables: byKey("name"),
  },
  ValidatingAdmissionPolicyStatus: { conditions: applyByKey("type") },
  ValidatingWebhook: webhook,
  ValidatingWebhookConfiguration: { webhooks: byKey("name") },
};

// API machinery: aggregated servers, custom resources, priority and fairness, migrations.
const extension: Record<string, ModelFacts> = {
  APIServiceStatus: conditions,
  CustomResourceDefinitionNames: atomics("categories shortNames"),
  CustomResourceDefinitionSpec: atomics("versions"),
  // `applyByKey` is said where upstream marks the list for apply and gives it no strategic merge.
  CustomResourceDefinitionStatus: { conditions: applyByKey("type"), storedVersions: atomic },
  CustomResourceDefinitionVersion: atomics("additionalPrinterColumns selectableFields"),
  V1beta1CustomResourceDefinitionSpec: atomics("additionalPrinterColumns"),
  // The key of a validation is its expression: nothing else in it is unique.
  JSONSchemaProps: {
    ...atomics("allOf anyOf enum oneOf required x-kubernetes-list-map-keys"),
    "x-kubernetes-validations": byKey("rule"),
  },
  WebhookConversion: atomics("conversionReviewVersions"),
  FlowSchemaSpec: atomics("rules"),
  FlowSchemaStatus: conditions,
  NonResourcePolicyRule: { nonResourceURLs: set, verbs: set },
  PolicyRulesWithSubjects: atomics("nonResourceRules resourceRules subjects"),
  PriorityLevelConfigurationStatus: conditions,
  ResourcePolicyRule: { apiGroups: set, namespaces: set, resources: set, verbs: set },
  StorageVersionMigrationStatus: conditions,
  StorageVersionStatus: { conditions: applyByKey("type"), storageVersions: applyByKey("apiServerID") },
};

// Rules of Ingresses and NetworkPolicies have an order or no name, so that they are replaced as a whole.
const networking: Record<string, ModelFacts> = {
  HTTPIngressRuleValue: atomics("paths"),
  IPBlock: atomics("except"),
  IngressLoadBalancerIngress: atomics("ports"),
  IngressLoadBalancerStatus: atomics("ingress"),
  IngressSpec: atomics("rules tls"),
  IngressTLS: atomics("hosts"),
  NetworkPolicyEgressRule: atomics("ports to"),
  NetworkPolicyIngressRule: atomics("from ports"),
  NetworkPolicySpec: atomics("egress ingress policyTypes"),
  ServiceCIDRSpec: atomics("cidrs"),
  ServiceCIDRStatus: conditions,
};

const storageAndScaling: Record<string, ModelFacts> = {
  CSIDriverSpec: { tokenRequests: atomic, volumeLifecycleModes: set },
  CSINodeDriver: atomics("topologyKeys"),
  CSINodeSpec: { drivers: byKey("name") },
  // Lists that a class hands over as they are, in their order.
  StorageClass: atomics("allowedTopologies mountOptions"),
  Scheduling: { nodeSelector: atomicMap, tolerations: atomic },
  // Policies and metrics have a type and no name: there may be two of one type.
  V2HPAScalingRules: atomics("policies"),
  V2HorizontalPodAutoscalerSpec: atomics("metrics"),
  V2HorizontalPodAutoscalerStatus: { conditions: byKey("type"), currentMetrics: atomic },
};

// Dynamic resource allocation came after server-side apply; what drivers report of a device is keyed by four fields.
const devices: Record<string, ModelFacts> = {
  AllocatedDeviceStatus: { conditions: applyByKey("type") },
  CapacityRequestPolicy: atomics("validValues"),
  Device: atomics("bindingConditions bindingFailureConditions consumesCounters taints"),
  DeviceAttribute: atomics("bools ints strings versions"),
  DeviceAllocationConfiguration: atomics("requests"),
  DeviceAllocationResult: atomics("config results"),
  DeviceClaim: atomics("config constraints requests"),
  DeviceClaimConfiguration: atomics("requests"),
  DeviceClassSpec: atomics("config selectors"),
  DeviceConstraint: atomics("requests"),
  DeviceRequest: atomics("firstAvailable"),
  V1beta1DeviceRequest: atomics("firstAvailable selectors tolerations"),
  DeviceRequestAllocationResult: atomics("bindingConditions bindingFailureConditions tolerations"),
  DeviceSubRequest: atomics("selectors tolerations"),
  DeviceTaintRuleStatus: conditions,
  ExactDeviceRequest: atomics("selectors tolerations"),
  NetworkDeviceData: atomics("ips"),
  ResourceClaimStatus: {
    devices: applyByKey("driver", "device", "pool", "shareID"),
    reservedFor: byKey("uid"),
  },
  ResourceSliceSpec: atomics("devices sharedCounters"),
};

/** Model to field to facts, for field-tables.ts. */
export const mergeTableOfOtherGroups = toTable({
  ...access,
  ...admission,
  ...extension,
  ...networking,
  ...storageAndScaling,
  ...devices,
});

// The stored kinds. A kind is served, discovered, documented and cached because it is in this list.
import type { KindDefinition } from "../kind.ts";
import {
  mutatingAdmissionPolicyBindingKind,
  mutatingAdmissionPolicyKind,
  validatingAdmissionPolicyBindingKind,
  validatingAdmissionPolicyKind,
} from "./admission/policies.ts";
import {
  mutatingWebhookConfigurationKind,
  validatingWebhookConfigurationKind,
} from "./admission/webhook-configurations.ts";
import { apiServiceKind } from "./api-service.ts";
import { certificateSigningRequestKind } from "./certificate-signing-request/certificate-signing-request.ts";
import { clusterRoleKind } from "./cluster-role.ts";
import { clusterRoleBindingKind } from "./cluster-role-binding.ts";
import { clusterTrustBundleKind } from "./cluster-trust-bundle/cluster-trust-bundle.ts";
import { configMapKind } from "./config-map.ts";
import { controllerRevisionKind } from "./controller-revision.ts";
import { cronJobKind } from "./cron-job/cron-job.ts";
import { csiDriverKind } from "./csi-driver.ts";
import { csiNodeKind } from "./csi-node.ts";
import { csiStorageCapacityKind } from "./csi-storage-capacity.ts";
import { customResourceDefinitionKind } from "./custom-resource-definition/custom-resource-definition.ts";
import { daemonSetKind } from "./daemon-set.ts";
import { deploymentKind } from "./deployment.ts";
import { deviceClassKind } from "./devices/device-class.ts";
import { resourceClaimKind, resourceClaimTemplateKind } from "./devices/resource-claim.ts";
import { resourceSliceKind } from "./devices/resource-slice.ts";
import { endpointSliceKind } from "./endpoint-slice.ts";
import { endpointsKind } from "./endpoints.ts";
import { eventKind } from "./event.ts";
import { flowSchemaKind } from "./flow-schema.ts";
import { horizontalPodAutoscalerKind } from "./horizontal-pod-autoscaler/horizontal-pod-autoscaler.ts";
import { ingressKind } from "./ingress/ingress.ts";
import { ingressClassKind } from "./ingress-class.ts";
import { ipAddressKind } from "./ip-address.ts";
import { jobKind } from "./job/job.ts";
import { leaseKind } from "./lease.ts";
import { limitRangeKind } from "./limit-range.ts";
import { namespaceKind } from "./namespace.ts";
import { networkPolicyKind } from "./network-policy.ts";
import { nodeKind } from "./node.ts";
import { persistentVolumeKind } from "./persistent-volume/persistent-volume.ts";
import { persistentVolumeClaimKind } from "./persistent-volume-claim/persistent-volume-claim.ts";
import { podKind } from "./pod/pod.ts";
import { podCertificateRequestKind } from "./pod-certificate-request/pod-certificate-request.ts";
import { podDisruptionBudgetKind } from "./pod-disruption-budget.ts";
import { podTemplateKind } from "./pod-template.ts";
import { priorityClassKind } from "./priority-class.ts";
import { priorityLevelConfigurationKind } from "./priority-level-configuration.ts";
import { replicaSetKind } from "./replica-set.ts";
import { replicationControllerKind } from "./replication-controller.ts";
import { resourceQuotaKind } from "./resource-quota/resource-quota.ts";
import { roleKind } from "./role.ts";
import { roleBindingKind } from "./role-binding.ts";
import { runtimeClassKind } from "./runtime-class.ts";
import { secretKind } from "./secret.ts";
import { serviceKind } from "./service/service.ts";
import { serviceAccountKind } from "./service-account.ts";
import { serviceCidrKind } from "./service-cidr.ts";
import { statefulSetKind } from "./stateful-set.ts";
import { storageClassKind } from "./storage-class.ts";
import { volumeAttachmentKind } from "./volume-attachment.ts";
import { volumeAttributesClassKind } from "./volume-attributes-class.ts";

// Callers hand each kind only objects of its own model, so the type of its objects can be forgotten here.
export const KINDS = [
  // What every cluster runs on.
  namespaceKind,
  nodeKind,
  podKind,
  serviceKind,
  endpointsKind,
  endpointSliceKind,
  configMapKind,
  secretKind,
  serviceAccountKind,
  eventKind,
  leaseKind,
  deploymentKind,
  replicaSetKind,
  // RBAC: roles and who has them.
  roleKind,
  roleBindingKind,
  clusterRoleKind,
  clusterRoleBindingKind,
  // The rest of the core group.
  replicationControllerKind,
  podTemplateKind,
  limitRangeKind,
  resourceQuotaKind,
  persistentVolumeKind,
  persistentVolumeClaimKind,
  // apps, batch, autoscaling and policy: what keeps pods running, and how many.
  statefulSetKind,
  daemonSetKind,
  controllerRevisionKind,
  jobKind,
  cronJobKind,
  horizontalPodAutoscalerKind,
  podDisruptionBudgetKind,
  // Networking.
  ingressKind,
  ingressClassKind,
  networkPolicyKind,
  serviceCidrKind,
  ipAddressKind,
  // Scheduling and storage.
  priorityClassKind,
  storageClassKind,
  csiDriverKind,
  csiNodeKind,
  csiStorageCapacityKind,
  volumeAttachmentKind,
  volumeAttributesClassKind,
  runtimeClassKind,
  // What extends or guards the API itself.
  certificateSigningRequestKind,
  validatingWebhookConfigurationKind,
  mutatingWebhookConfigurationKind,
  validatingAdmissionPolicyKind,
  validatingAdmissionPolicyBindingKind,
  mutatingAdmissionPolicyKind,
  mutatingAdmissionPolicyBindingKind,
  customResourceDefinitionKind,
  apiServiceKind,
  flowSchemaKind,
  priorityLevelConfigurationKind,
  // Dynamic resource allocation: devices, and claims to them.
  deviceClassKind,
  resourceClaimKind,
  resourceClaimTemplateKind,
  resourceSliceKind,
] as readonly unknown[] as readonly KindDefinition[];

/** Beta kinds, which are served where --runtime-config asks for them. */
export const OPTIONAL_KINDS = [
  clusterTrustBundleKind,
  podCertificateRequestKind,
] as readonly unknown[] as readonly KindDefinition[];

// Both keys have the group before them, as two groups may use one word.
const byPlural = index([...KINDS, ...OPTIONAL_KINDS], (kind) => kind.plural);
const byName = index([...KINDS, ...OPTIONAL_KINDS], (kind) => kind.kind);

/** The kind behind `/apis/GROUP/…/PLURAL`. */
export function findKind(group: string, plural: string): KindDefinition | undefined {
  return byPlural.get(`${group}/${plural}`);
}

/** The kind that an object names as `apiVersion` and `kind`. */
export function findKindByName(group: string, kind: string): KindDefinition | undefined {
  return byName.get(`${group}/${kind}`);
}

function index(kinds: readonly KindDefinition[], nameOf: (kind: KindDefinition) => string) {
  const map = new Map<string, KindDefinition>();
  for (const kind of kinds) {
    const key = `${kind.group}/${nameOf(kind)}`;
    // A mistake of ours, found when the program starts.
    if (map.has(key)) throw new Error(`two kinds are called ${key}`);
    map.set(key, kind);
  }
  return map;
}

// The rights of each controller, as upstream's system:controller:* ClusterRoles.
import { EVENTS, rule } from "./rule-text.ts";

/** By the controller's name, which is also that of its service account in kube-system. */
const RULES: Readonly<Record<string, readonly string[]>> = {
  "attachdetach-controller": [
    "core : persistentvolumeclaims persistentvolumes : list watch",
    "core : nodes : read",
    "core : nodes/status : patch update",
    "core : pods : list watch",
    EVENTS,
    "storage.k8s.io : volumeattachments : create delete get list watch",
    "storage.k8s.io : csidrivers csinodes : read",
  ],
  // A controller that decides about certificates must be named for each signer: a mistake here makes administrators.
  "certificate-controller": [
    "certificates.k8s.io : certificatesigningrequests : delete get list watch",
    "certificates.k8s.io : certificatesigningrequests/approval certificatesigningrequests/status : update",
    "certificates.k8s.io : signers[kubernetes.io/kube-apiserver-client-kubelet] : approve",
    "certificates.k8s.io : signers[kubernetes.io/kube-apiserver-client,kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving,kubernetes.io/legacy-unknown] : sign",
    "authorization.k8s.io : subjectaccessreviews : create",
    EVENTS,
  ],
  // It copies rules that it does not hold into aggregated roles, which is what `escalate` lets it do.
  "clusterrole-aggregation-controller": [
    "rbac.authorization.k8s.io : clusterroles : escalate get list patch update watch",
  ],
  // `finalizers` lets a controller own what it makes with blockOwnerDeletion, which upstream's plug-in OwnerReferencesPermissionEnforcement asks for.
  "cronjob-controller": [
    "batch : cronjobs : get list update watch",
    "batch : jobs : create delete get list patch update watch",
    "batch : cronjobs/status : update",
    "batch : cronjobs/finalizers : update",
    "core : pods : delete list watch",
    EVENTS,
  ],
  "daemon-set-controller": [
    "apps extensions : daemonsets : read",
    "apps extensions : daemonsets/status : update",
    "apps extensions : daemonsets/finalizers : update",
    "core : nodes : list watch",
    "core : pods : create delete list patch watch",
    "core : pods/binding : create",
    "apps : controllerrevisions : create delete get list patch update watch",
    EVENTS,
  ],
  "deployment-controller": [
    "apps extensions : deployments : get list update watch",
    "apps extensions : deployments/status : update",
    "apps extensions : deployments/finalizers : update",
    "apps extensions : replicasets : create delete get list patch update watch",
    "core : pods : get list update watch",
    EVENTS,
  ],
  "disruption-controller": [
    "apps extensions : deployments replicasets : read",
    "core : replicationcontrollers : read",
    "policy : poddisruptionbudgets : read",
    "apps : statefulsets : read",
    "policy : poddisruptionbudgets/status : update",
    "core : pods/status : patch update",
    "* : */scale : get",
    EVENTS,
  ],
  // `endpoints/restricted` means something to distributions that restrict which addresses Endpoints may hold.
  "endpoint-controller": [
    "core : pods services : read",
    "core : endpoints : create delete get list update watch",
    "core : endpoints/restricted : create",
    EVENTS,
  ],
  "endpointslice-controller": [
    "core : nodes pods services : read",
    "core : services/finalizers : update",
    "discovery.k8s.io : endpointslices : create delete get list update watch",
    EVENTS,
  ],
  "endpointslicemirroring-controller": [
    "core : endpoints services : read",
    "core : services/finalizers : update",
    "core : endpoints/finalizers : update",
    "discovery.k8s.io : endpointslices : create delete get list update watch",
    EVENTS,
  ],
  "ephemeral-volume-controller": [
    "core : pods : read",
    "core : pods/finalizers : update",
    "core : persistentvolumeclaims : create get list watch",
    EVENTS,
  ],
  "expand-controller": [
    "core : persistentvolumes : get list patch update watch",
    "core : persistentvolumeclaims/status : patch update",
    "core : persistentvolumeclaims : read",
    EVENTS,
  ],
  // Any object may own any other, so that it needs all kinds.
  "generic-garbage-collector": ["* : * : delete get list patch update watch", EVENTS],
  // It scales any kind that has a `scale`, also ones that are defined later.
  "horizontal-pod-autoscaler": [
    "autoscaling : horizontalpodautoscalers : read",
    "autoscaling : horizontalpodautoscalers/status : update",
    "* : */scale : get update",
    "core : pods : list watch",
    "metrics.k8s.io : pods : list watch",
    "custom.metrics.k8s.io : * : read",
    "external.metrics.k8s.io : * : read",
    EVENTS,
  ],
  "job-controller": [
    "batch : jobs : get list patch update watch",
    "batch : jobs/status : update",
    "batch : jobs/finalizers : update",
    "core : pods : create delete list patch watch",
    EVENTS,
  ],
  "legacy-service-account-token-cleaner": [
    "core : configmaps[kube-apiserver-legacy-service-account-token-tracking] : get",
    "core : secrets : delete patch",
  ],
  // It empties namespaces of all kinds that there are and will be.
  "namespace-controller": [
    "core : namespaces : delete get list watch",
    "core : namespaces/finalize namespaces/status : update",
    "* : * : delete deletecollection get list watch",
  ],
  "node-controller": [
    "core : nodes : delete get list patch update watch",
    "core : nodes/status : patch update",
    "core : pods/status : patch update",
    "core : pods : delete get list watch",
    EVENTS,
  ],
  "persistent-volume-binder": [
    "core : persistentvolumes : create delete get list update watch",
    "core : persistentvolumes/status : update",
    "core : persistentvolumeclaims : get list update watch",
    "core : persistentvolumeclaims/status : update",
    "core : pods : create delete get list watch",
    "storage.k8s.io : storageclasses : read",
    "core : nodes : list watch",
    EVENTS,
    "core : events : watch",
  ],
  "pod-garbage-collector": ["core : pods : delete list watch", "core : nodes : read", "core : pods/status : patch"],
  "pv-protection-controller": ["core : persistentvolumes : get list update watch", EVENTS],
  "pvc-protection-controller": [
    "core : persistentvolumeclaims : get list update watch",
    "core : persistentvolumeclaims/status : update",
    "core : pods : read",
    EVENTS,
  ],
  "replicaset-controller": [
    "apps extensions : replicasets : get list update watch",
    "apps extensions : replicasets/status : update",
    "apps extensions : replicasets/finalizers : update",
    "core : pods : create delete list patch watch",
    EVENTS,
  ],
  "replication-controller": [
    "core : replicationcontrollers : get list update watch",
    "core : replicationcontrollers/status : update",
    "core : replicationcontrollers/finalizers : update",
    "core : pods : create delete list patch watch",
    EVENTS,
  ],
  "resource-claim-controller": [
    "core : pods : read",
    "core : pods/finalizers : update",
    "resource.k8s.io : resourceclaims : create delete get list watch",
    "resource.k8s.io : resourceclaims resourceclaims/status : patch update",
    "core : pods/status : patch update",
    EVENTS,
    "resource.k8s.io : resourceclaims/binding : patch update",
  ],
  "resourcequota-controller": ["* : * : list watch", "core : resourcequotas/status : update", EVENTS],
  // Writes kube-root-ca.crt into every namespace, by which pods trust the apiserver.
  "root-ca-cert-publisher": ["core : configmaps : create update", EVENTS],
  "route-controller": ["core : nodes : list watch", "core : nodes/status : patch", EVENTS],
  "selinux-warning-controller": [
    EVENTS,
    "core : persistentvolumeclaims persistentvolumes pods : read",
    "storage.k8s.io : csidrivers : read",
  ],
  "service-account-controller": ["core : serviceaccounts : create", EVENTS],
  "service-cidrs-controller": [
    "networking.k8s.io : servicecidrs : get list patch update watch",
    "networking.k8s.io : servicecidrs/finalizers servicecidrs/status : patch update",
    "networking.k8s.io : ipaddresses : read",
    EVENTS,
  ],
  "service-controller": [
    "core : services : read",
    "core : services/status : patch update",
    "core : nodes : list watch",
    EVENTS,
  ],
  "statefulset-controller": [
    "core : pods : list watch",
    "apps : statefulsets : read",
    "apps : statefulsets/status : update",
    "apps : statefulsets/finalizers : update",
    "core : pods : create delete get patch update",
    "apps : controllerrevisions : create delete get list patch update watch",
    "core : persistentvolumeclaims : create get list watch",
    "core : persistentvolumeclaims : delete update",
    "core : pods/finalizers : update",
    EVENTS,
  ],
  "ttl-after-finished-controller": ["batch : jobs : delete get list watch", EVENTS],
  "ttl-controller": ["core : nodes : list patch update watch", EVENTS],
  "validatingadmissionpolicy-status-controller": [
    "admissionregistration.k8s.io : validatingadmissionpolicies : read",
    "admissionregistration.k8s.io : validatingadmissionpolicies/status : get patch update",
    EVENTS,
  ],
  "volumeattributesclass-protection-controller": [
    "core : persistentvolumeclaims persistentvolumes : read",
    "storage.k8s.io : volumeattributesclasses : get list update watch",
    EVENTS,
  ],
};

/** These run in the cloud-controller-manager. */
const CLOUD_CONTROLLERS = new Set(["route-controller", "service-controller"]);

/**
 * One ClusterRole for each controller. Least privilege: a controller taken over by an attacker has its own rights only.
 */
export const CONTROLLER_ROLES = Object.entries(RULES).map(([controller, rules]) => ({
  controller,
  role: { name: `system:controller:${controller}`, rules: rules.map(rule) },
  runsInManager: !CLOUD_CONTROLLERS.has(controller),
}));

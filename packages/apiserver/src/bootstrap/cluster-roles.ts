// The ClusterRoles that every cluster has, with upstream's names and rights.
import type { PolicyRule } from "@skiff/api/types.ts";
import { NODE_RULES } from "../authz/node-authorizer.ts";
import { EVENTS, getUrls, rule } from "./rule-text.ts";

/** A ClusterRole of the bootstrap policy. Labels make its rules part of aggregated roles. */
export interface ClusterRoleSpec {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Its rules are those of all ClusterRoles with this label. */
  readonly aggregates?: string;
}

/**
 * Labels by which admin takes in edit, and edit takes in view. Whoever adds a kind adds a labelled role to extend all
 * three.
 */
const AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-";
/** What load balancers ask without credentials, and what `kubectl version` needs. */
const HEALTH_URLS = ["/healthz", "/livez", "/readyz", "/version", "/version/"];

/**
 * In the notation of rule-text.ts. `view` leaves secrets out: they would lead to the tokens of accounts with more
 * rights.
 */
export const CLUSTER_ROLES: readonly ClusterRoleSpec[] = [
  role("cluster-admin", rule("* : * : *"), { nonResourceURLs: ["*"], verbs: ["*"] }),
  { name: "admin", rules: [], aggregates: `${AGGREGATE}admin` },
  { name: "edit", rules: [], aggregates: `${AGGREGATE}edit`, labels: { [`${AGGREGATE}admin`]: "true" } },
  { name: "view", rules: [], aggregates: `${AGGREGATE}view`, labels: { [`${AGGREGATE}edit`]: "true" } },
  aggregated("admin", [
    "authorization.k8s.io : localsubjectaccessreviews : create",
    "rbac.authorization.k8s.io : rolebindings roles : read write",
  ]),
  aggregated("edit", [
    "core : pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy : read",
    "core : serviceaccounts : impersonate",
    "core : pods pods/attach pods/exec pods/portforward pods/proxy : write",
    "core : pods/eviction : create",
    "core : configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy : write",
    "core : serviceaccounts/token : create",
    "apps : daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale : write",
    "autoscaling : horizontalpodautoscalers : write",
    "batch : cronjobs jobs : write",
    "extensions : daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets replicasets/scale replicationcontrollers/scale : write",
    "policy : poddisruptionbudgets : write",
    "networking.k8s.io : ingresses networkpolicies : write",
    "coordination.k8s.io : leases : read write",
    "resource.k8s.io : resourceclaims resourceclaimtemplates : write",
  ]),
  aggregated("view", [
    "core : configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status : read",
    "core : bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status : read",
    "core : namespaces : read",
    "discovery.k8s.io : endpointslices : read",
    "apps : controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status : read",
    "autoscaling : horizontalpodautoscalers horizontalpodautoscalers/status : read",
    "batch : cronjobs cronjobs/status jobs jobs/status : read",
    "extensions : daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale : read",
    "policy : poddisruptionbudgets poddisruptionbudgets/status : read",
    "networking.k8s.io : ingresses ingresses/status networkpolicies : read",
    "resource.k8s.io : resourceclaims resourceclaims/status resourceclaimtemplates : read",
  ]),
  role("system:discovery", getUrls(...HEALTH_URLS, "/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")),
  role("system:public-info-viewer", getUrls(...HEALTH_URLS)),
  role("system:service-account-issuer-discovery", getUrls("/.well-known/openid-configuration", "/openid/v1/jwks")),
  role(
    "system:monitoring",
    getUrls("/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*"),
    getUrls("/flagz"),
    getUrls("/statusz"),
  ),
  system("basic-user", [
    "authorization.k8s.io : selfsubjectaccessreviews selfsubjectrulesreviews : create",
    "authentication.k8s.io : selfsubjectreviews : create",
  ]),
  system("auth-delegator", delegation()),
  system("heapster", ["core : events namespaces nodes pods : read", "extensions : deployments : read"]),
  system("kube-aggregator", ["core : endpoints services : read"]),
  // Bound to nobody: it is here for clusters that give nodes their rights by RBAC alone.
  role("system:node", ...NODE_RULES),
  system("node-bootstrapper", ["certificates.k8s.io : certificatesigningrequests : create get list watch"]),
  system("node-problem-detector", ["core : nodes : get", "core : nodes/status : patch", EVENTS]),
  system("node-proxier", [
    "core : endpoints services : list watch",
    "core : nodes : read",
    EVENTS,
    "discovery.k8s.io : endpointslices : list watch",
    "networking.k8s.io : servicecidrs : list watch",
  ]),
  // Not upstream: our program that writes the routes between nodes, and network policies.
  system("node-network", [
    "core : nodes : read",
    "core : namespaces pods : list watch",
    "networking.k8s.io : networkpolicies : list watch",
    EVENTS,
  ]),
  system("kubelet-api-admin", [
    "core : nodes : read",
    "core : nodes : proxy",
    "core : nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats : *",
  ]),
  system("kube-dns", ["core : endpoints services : list watch"]),
  system("kube-scheduler", [
    EVENTS,
    "coordination.k8s.io : leases : create",
    "coordination.k8s.io : leases[kube-scheduler] : get update",
    "coordination.k8s.io : leasecandidates : create delete deletecollection get list patch update watch",
    "core : nodes : read",
    "core : pods : delete get list watch",
    "core : bindings pods/binding : create",
    "core : pods/status : patch update",
    "core : replicationcontrollers services : read",
    "apps extensions : replicasets : read",
    "apps : statefulsets : read",
    "policy : poddisruptionbudgets : read",
    "core : persistentvolumeclaims persistentvolumes : read",
    ...delegation(),
    "storage.k8s.io : csinodes : read",
    "core : namespaces : read",
    "storage.k8s.io : csidrivers csistoragecapacities volumeattachments : read",
    "resource.k8s.io : deviceclasses resourceclaims resourceslices : read",
    "resource.k8s.io : resourceclaims resourceclaims/status : patch update",
  ]),
  system("kube-controller-manager", [
    EVENTS,
    "coordination.k8s.io : leases : create",
    "coordination.k8s.io : leases[kube-controller-manager] : get update",
    "coordination.k8s.io : leasecandidates : create delete deletecollection get list patch update watch",
    "core : secrets serviceaccounts : create",
    "core : secrets : delete",
    "core : configmaps namespaces secrets serviceaccounts : get",
    "core : secrets serviceaccounts : update",
    ...delegation(),
    "* : * : list watch",
    "core : serviceaccounts/token : create",
  ]),
  system("persistent-volume-provisioner", [
    "core : persistentvolumes : create delete get list watch",
    "core : persistentvolumeclaims : get list update watch",
    "storage.k8s.io : storageclasses : read",
    "core : events : watch",
    EVENTS,
  ]),
  system("volume-scheduler", [
    "core : persistentvolumes : get list patch update watch",
    "storage.k8s.io : storageclasses : read",
    "core : persistentvolumeclaims : get list patch update watch",
  ]),
  ...certificateRoles(),
];

/** Only where the kind is served. */
export const TRUST_BUNDLE_ROLE: ClusterRoleSpec = system("cluster-trust-bundle-discovery", [
  "certificates.k8s.io : clustertrustbundles : read",
]);

function role(name: string, ...rules: readonly PolicyRule[]): ClusterRoleSpec {
  return { name, rules };
}

function system(name: string, rules: readonly string[]): ClusterRoleSpec {
  return { name: `system:${name}`, rules: rules.map(rule) };
}

function aggregated(to: string, rules: readonly string[]): ClusterRoleSpec {
  return { name: `system:aggregate-to-${to}`, rules: rules.map(rule), labels: { [`${AGGREGATE}${to}`]: "true" } };
}

/** A program that lets the apiserver authenticate and authorize its own callers. */
function delegation(): readonly string[] {
  return ["authentication.k8s.io : tokenreviews : create", "authorization.k8s.io : subjectaccessreviews : create"];
}

/**
 * The right to ask for a node's certificate, and to approve for each of the built-in signers: for kubeadm and its like
 * to bind.
 */
function certificateRoles(): ClusterRoleSpec[] {
  const requests = ["nodeclient", "selfnodeclient"].map((kind) =>
    role(
      `system:certificates.k8s.io:certificatesigningrequests:${kind}`,
      rule(`certificates.k8s.io : certificatesigningrequests/${kind} : create`),
    ),
  );
  const signers = ["kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving", "legacy-unknown"];
  const approvers = signers.map((signer) =>
    role(
      `system:certificates.k8s.io:${signer}-approver`,
      rule(`certificates.k8s.io : signers[kubernetes.io/${signer}] : approve`),
    ),
  );
  return [...requests, ...approvers];
}

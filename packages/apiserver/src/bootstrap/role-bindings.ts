// Who has the bootstrap ClusterRoles: upstream's bindings, and ours for the programs that Skiff adds.
import type { RbacV1Subject } from "@skiff/api/types.ts";
import { CONTROLLER_ROLES } from "./controller-roles.ts";

/** A ClusterRoleBinding of the bootstrap policy. */
export interface ClusterBindingSpec {
  readonly name: string;
  readonly role: string;
  readonly subjects: readonly RbacV1Subject[];
}

const RBAC_GROUP = "rbac.authorization.k8s.io";

/** A subject by the name that authentication gives: the CN of a certificate, mostly. */
export function user(name: string): RbacV1Subject {
  return { apiGroup: RBAC_GROUP, kind: "User", name };
}

/** Groups are only names: `system:authenticated` is everybody who is not anonymous. */
function group(name: string): RbacV1Subject {
  return { apiGroup: RBAC_GROUP, kind: "Group", name };
}

/** One of kube-system. */
export function serviceAccount(name: string): RbacV1Subject {
  return { kind: "ServiceAccount", name, namespace: "kube-system" };
}

const MANAGER = user("system:kube-controller-manager");

/** Roles that are bound to nobody here are for administrators to bind. */
export const CLUSTER_BINDINGS: readonly ClusterBindingSpec[] = [
  binding("cluster-admin", group("system:masters")),
  binding("system:monitoring", group("system:monitoring")),
  binding("system:discovery", group("system:authenticated")),
  binding("system:basic-user", group("system:authenticated")),
  binding("system:public-info-viewer", group("system:authenticated"), group("system:unauthenticated")),
  binding("system:service-account-issuer-discovery", group("system:serviceaccounts")),
  binding("system:node-proxier", user("system:kube-proxy")),
  binding("system:kube-controller-manager", MANAGER),
  binding("system:kube-dns", serviceAccount("kube-dns")),
  binding("system:kube-scheduler", user("system:kube-scheduler")),
  binding("system:volume-scheduler", user("system:kube-scheduler")),
  // The Node authorizer gives nodes their rights, so the role is bound to nobody.
  binding("system:node"),
  binding("system:node-network", user("system:node-network")),
  {
    name: "system:kube-apiserver-kubelet-client",
    role: "system:kubelet-api-admin",
    subjects: [user("kube-apiserver-kubelet-client")],
  },
  // The manager runs all its controllers under its one certificate, so it has their roles beside their accounts.
  ...CONTROLLER_ROLES.map(({ controller, role, runsInManager }) =>
    binding(role.name, serviceAccount(controller), ...(runsInManager ? [MANAGER] : [])),
  ),
];

/** Pods mount bundles, so their accounts may read them: a bundle is no secret. */
export const TRUST_BUNDLE_BINDING: ClusterBindingSpec = binding(
  "system:cluster-trust-bundle-discovery",
  group("system:serviceaccounts"),
);

/** Most bindings carry the name of their role. */
function binding(name: string, ...subjects: readonly RbacV1Subject[]): ClusterBindingSpec {
  return { name, role: name, subjects };
}

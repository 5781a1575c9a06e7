// The Roles of kube-system and kube-public with their bindings, as upstream.
import type { PolicyRule, RbacV1Subject } from "@skiff/api/types.ts";
import { serviceAccount, user } from "./role-bindings.ts";
import { EVENTS, rule } from "./rule-text.ts";

/** A Role of the bootstrap policy, mostly with its RoleBinding. */
export interface NamespacedRoleSpec {
  readonly namespace: string;
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  /** Name and subjects of the binding; none where upstream leaves it to the administrator. */
  readonly binding?: { readonly name: string; readonly subjects: readonly RbacV1Subject[] };
}

/** Programs that run several times elect a leader through a Lease in kube-system. */
const LEADER_LOCKING = [
  rule("coordination.k8s.io : leases : create get list update watch"),
  rule("coordination.k8s.io : leasecandidates : create get list update watch"),
];

/** Rights that are needed in one namespace only are granted there only. */
export const NAMESPACED_ROLES: readonly NamespacedRoleSpec[] = [
  {
    namespace: "kube-system",
    name: "extension-apiserver-authentication-reader",
    rules: [rule("core : configmaps[extension-apiserver-authentication] : read")],
    binding: {
      name: "system::extension-apiserver-authentication-reader",
      subjects: [user("system:kube-controller-manager"), user("system:kube-scheduler")],
    },
  },
  leaderLocking("kube-controller-manager"),
  leaderLocking("kube-scheduler"),
  controller("kube-system", "bootstrap-signer", ["core : secrets : read"]),
  controller("kube-system", "cloud-provider", ["core : configmaps : create get list watch"]),
  controller("kube-system", "token-cleaner", ["core : secrets : delete get list watch", EVENTS]),
  controller("kube-public", "bootstrap-signer", [
    "core : configmaps : read",
    "core : configmaps[cluster-info] : update",
    EVENTS,
  ]),
];

function leaderLocking(program: string): NamespacedRoleSpec {
  const name = `system::leader-locking-${program}`;
  const subjects = [user(`system:${program}`), serviceAccount(program)];
  return { namespace: "kube-system", name, rules: LEADER_LOCKING, binding: { name, subjects } };
}

/** A controller's rights in one namespace, for its account in kube-system or in kube-public. */
function controller(namespace: string, account: string, rules: readonly string[]): NamespacedRoleSpec {
  const name = `system:controller:${account}`;
  return { namespace, name, rules: rules.map(rule), binding: { name, subjects: [serviceAccount(account)] } };
}

// Nobody may grant rights through roles or bindings that they do not hold, unless RBAC lets them `escalate` or `bind`.
import { forbidden } from "@skiff/api/errors.ts";
import type { KubeObject } from "@skiff/api/object.ts";
import type { ClusterRole, PolicyRule, RoleBinding } from "@skiff/api/types.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission/admission.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { Authorizer } from "./authorizer.ts";
import { isSuperuser } from "./index.ts";
import type { RuleResolver } from "./rbac-authorizer.ts";
import { missingRole } from "./rbac-index.ts";
import { describeRules, quoteList, uncoveredRules } from "./rbac-rules.ts";

const GROUP = "rbac.authorization.k8s.io";
/** What cluster-admin has. Whoever may choose labels for an aggregation could otherwise collect any rule. */
const EVERYTHING: readonly PolicyRule[] = [
  { apiGroups: ["*"], resources: ["*"], verbs: ["*"] },
  { nonResourceURLs: ["*"], verbs: ["*"] },
];

/** Upstream checks in the storage of roles and bindings; here it is the first thing admission validates. */
export function createRbacEscalationCheck(authorizer: Authorizer & RuleResolver): AdmissionPlugin {
  return {
    name: "RBACEscalation",
    async validate(request) {
      if (request.kind.group !== GROUP || !request.object || request.subresource) return;
      if (request.operation !== "CREATE" && request.operation !== "UPDATE") return;
      if (isSuperuser(request.user)) return;
      if (onlyCollectorFieldsChanged(request)) return;
      if (request.kind.plural.endsWith("bindings")) return checkBinding(authorizer, request);
      await checkRole(authorizer, request);
    },
  };
}

/** Throws 403 with the rules that the user lacks, as `kubectl create role` then prints them. */
async function checkRole(authorizer: Authorizer & RuleResolver, request: AdmissionRequest): Promise<void> {
  if (await isAllowed(authorizer, request.user, "escalate", request.kind.plural, request.namespace, request.name))
    return;
  const role = request.object as ClusterRole;
  const previous = request.oldObject as ClusterRole | undefined;
  if (role.aggregationRule || previous?.aggregationRule) {
    const { rules } = authorizer.rulesFor(request.user, request.namespace);
    if (uncoveredRules(rules, EVERYTHING).length > 0) {
      throw forbidden(request.kind, request.name, "must have cluster-admin privileges to use an aggregationRule");
    }
  }
  confirmNoEscalation(authorizer, request, role.rules ?? []);
}

/** Throws 403 like for roles, and 404 for a role that does not exist: nobody knows what it would grant. */
async function checkBinding(authorizer: Authorizer & RuleResolver, request: AdmissionRequest): Promise<void> {
  const { roleRef } = request.object as RoleBinding;
  const plural = roleRef.kind === "Role" ? "roles" : "clusterroles";
  if (await isAllowed(authorizer, request.user, "bind", plural, request.namespace, roleRef.name)) return;
  const rules = authorizer.rulesOfRole(roleRef, request.namespace);
  if (!rules) throw missingRole(roleRef);
  confirmNoEscalation(authorizer, request, rules);
}

/**
 * Throws 403 that lists what is missing. Held rules count wherever they were granted from, cluster-wide or in the
 * namespace.
 */
function confirmNoEscalation(resolver: RuleResolver, request: AdmissionRequest, wanted: readonly PolicyRule[]): void {
  const { rules: held, errors } = resolver.rulesFor(request.user, request.namespace);
  const missing = uncoveredRules(held, wanted);
  if (missing.length === 0) return;
  const { name, groups } = request.user;
  const unresolved = errors.length > 0 ? `; resolution errors: [${errors.join(", ")}]` : "";
  throw forbidden(
    request.kind,
    request.name,
    `user ${JSON.stringify(name)} (groups=${quoteList(groups)}) is attempting to grant RBAC permissions not currently held:\n${describeRules(missing)}${unresolved}`,
  );
}

/** Asks the whole chain, so that administrators pass here as elsewhere. */
async function isAllowed(
  authorizer: Authorizer,
  user: UserInfo,
  verb: string,
  resource: string,
  namespace: string,
  name: string,
): Promise<boolean> {
  const { verdict } = await authorizer.authorize({
    user,
    verb,
    isResourceRequest: true,
    namespace,
    group: GROUP,
    version: "*",
    resource,
    subresource: "",
    name,
    path: "",
  });
  return verdict === "allow";
}

/** The garbage collector may release owners and finalizers of roles whose rights it does not hold. */
function onlyCollectorFieldsChanged({ object, oldObject }: AdmissionRequest): boolean {
  if (!object || !oldObject) return false;
  return JSON.stringify(withoutCollectorFields(object)) === JSON.stringify(withoutCollectorFields(oldObject));
}

function withoutCollectorFields(object: Readonly<KubeObject>): unknown {
  const { ownerReferences, finalizers, managedFields, resourceVersion, generation, ...metadata } = object.metadata;
  return { ...object, metadata: Object.fromEntries(Object.entries(metadata).sort()) };
}

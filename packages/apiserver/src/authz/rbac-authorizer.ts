// Role-based access control: allows what a bound role allows, and has no opinion otherwise.
import type { PolicyRule } from "@skiff/api/types.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { AuthorizationAttributes, Authorizer, Decision } from "./authorizer.ts";
import type { Grant, RbacIndex, RoleReference } from "./rbac-index.ts";

/** The rules a user has in a namespace, and what could not be found. */
export interface ResolvedRules {
  readonly rules: readonly PolicyRule[];
  readonly errors: readonly string[];
}

/** Rules rather than decisions: for escalation checks and SelfSubjectRulesReviews. */
export interface RuleResolver {
  rulesFor(user: UserInfo, namespace: string): ResolvedRules;
  /** The rules of a role, as a binding in `namespace` would name it; undefined when there is none. */
  rulesOfRole(reference: RoleReference, namespace: string): readonly PolicyRule[] | undefined;
}

/** RBAC is purely additive: no rule takes away, so it allows or has no opinion. */
export function createRbacAuthorizer(index: RbacIndex): Authorizer & RuleResolver {
  return {
    name: "RBAC",
    authorize: (attributes) => decide(index, attributes),
    rulesFor(user, namespace) {
      const errors: string[] = [];
      const grants = [...index.grantsOf(user, namespace, (error) => errors.push(error.message))];
      return { rules: grants.flatMap(({ role }) => role.rules), errors };
    },
    rulesOfRole: (reference, namespace) => index.roleOf(reference, namespace)?.rules,
  };
}

function decide(index: RbacIndex, attributes: AuthorizationAttributes): Decision {
  const errors: string[] = [];
  const namespace = attributes.isResourceRequest ? attributes.namespace : "";
  for (const grant of index.grantsOf(attributes.user, namespace, (error) => errors.push(error.message))) {
    if (grant.role.allows(attributes)) return { verdict: "allow", reason: `RBAC: allowed by ${describeGrant(grant)}` };
  }
  if (errors.length === 0) return { verdict: "no-opinion", reason: "" };
  const list = errors.length === 1 ? errors[0] : `[${errors.join(", ")}]`;
  return { verdict: "no-opinion", reason: `RBAC: ${list}` };
}

/** The reason that the audit log shows beside an allowed request. */
function describeGrant({ binding, subject }: Grant): string {
  const { name, namespace } = binding.metadata;
  const bound = namespace ? `RoleBinding "${name}/${namespace}"` : `ClusterRoleBinding "${name}"`;
  const to =
    subject.kind === "ServiceAccount" ? `${subject.name}/${subject.namespace || (namespace ?? "")}` : subject.name;
  return `${bound} of ${binding.roleRef.kind} "${binding.roleRef.name}" to ${subject.kind} "${to}"`;
}

// The chain of authorization: system:masters, then the configured modes in their order.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { AuthorizationAttributes, Authorizer, Decision } from "./authorizer.ts";
import { createNodeAuthorizer, nodeIdentity } from "./node-authorizer.ts";
import { NodeGraph } from "./node-graph.ts";
import type { ResolvedRules, RuleResolver } from "./rbac-authorizer.ts";
import { createRbacAuthorizer } from "./rbac-authorizer.ts";
import { RbacIndex } from "./rbac-index.ts";

export type { ResolvedRules, RuleResolver } from "./rbac-authorizer.ts";

/** Allowed before any mode is asked, so that no role that somebody broke locks the administrator out. */
const SUPERUSER_GROUP = "system:masters";
const ALLOWED: Decision = { verdict: "allow", reason: "" };

/** Decides, and tells what rules a user has for `kubectl auth can-i --list`. */
export type ChainAuthorizer = Authorizer & RuleResolver;

/** `modes` are upstream's names. The first opinion counts; without one the request is denied. */
export function createAuthorizer(
  modes: readonly string[],
  deps: { readonly reader: ObjectReader; readonly log: Logger; readonly clock: Clock },
): ChainAuthorizer {
  const rbac = modes.includes("RBAC") ? createRbacAuthorizer(new RbacIndex(deps.reader)) : undefined;
  const chain = modes.map((mode) => authorizerOf(mode, rbac, deps.reader));
  return {
    name: "chain",
    authorize: (attributes) => (isSuperuser(attributes.user) ? ALLOWED : decideInTurn(chain, 0, attributes, [])),
    rulesFor: (user, namespace) => withNodeRemark(modes, user, rbac?.rulesFor(user, namespace)),
    rulesOfRole: (reference, namespace) => rbac?.rulesOfRole(reference, namespace),
  };
}

/** Membership of the group is all that counts; the name of the user is not looked at. */
export function isSuperuser(user: UserInfo): boolean {
  return user.groups.includes(SUPERUSER_GROUP);
}

function authorizerOf(mode: string, rbac: Authorizer | undefined, reader: ObjectReader): Authorizer {
  if (mode === "RBAC" && rbac) return rbac;
  if (mode === "Node") return createNodeAuthorizer(new NodeGraph(reader));
  if (mode === "AlwaysAllow") return { name: mode, authorize: () => ALLOWED };
  if (mode === "AlwaysDeny")
    return { name: mode, authorize: () => ({ verdict: "no-opinion", reason: "Everything is forbidden." }) };
  throw new Error(`unknown authorization mode "${mode}"`);
}

/** Stays synchronous while the authorizers do: nearly every request is decided from memory. */
function decideInTurn(
  chain: readonly Authorizer[],
  from: number,
  attributes: AuthorizationAttributes,
  reasons: readonly string[],
): Decision | Promise<Decision> {
  const authorizer = chain[from];
  if (!authorizer) return { verdict: "no-opinion", reason: reasons.join("\n") };
  const proceed = (decision: Decision) => {
    if (decision.verdict !== "no-opinion") return decision;
    const heard = decision.reason ? [...reasons, decision.reason] : reasons;
    return decideInTurn(chain, from + 1, attributes, heard);
  };
  const decision = authorizer.authorize(attributes);
  return decision instanceof Promise ? decision.then(proceed) : proceed(decision);
}

/** Rights of a node follow from its pods, so that no list of rules can say them. */
function withNodeRemark(modes: readonly string[], user: UserInfo, resolved: ResolvedRules | undefined): ResolvedRules {
  const { rules, errors } = resolved ?? { rules: [], errors: [] };
  if (!modes.includes("Node") || nodeIdentity(user) === undefined) return { rules, errors };
  return { rules, errors: ["node authorizer does not support user rule resolution", ...errors] };
}

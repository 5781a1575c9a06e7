// What a user may do: the contract of authorization.
import type { UserInfo } from "../authn/authenticator.ts";

/** One request as policy sees it: the URL and the user, never the body. */
export interface AuthorizationAttributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly isResourceRequest: boolean;
  /** Of resource requests. */
  readonly namespace: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly name: string;
  /** As the query says it, of list, watch and deletecollection: nodes may list only what is theirs. */
  readonly fieldSelector?: string | undefined;
  /** Of plain paths. */
  readonly path: string;
}

/** `no-opinion` lets the next authorizer decide; nobody's opinion means denied. */
export interface Decision {
  /** No built-in mode denies; the word is for authorizers that must overrule later ones. */
  readonly verdict: "allow" | "deny" | "no-opinion";
  readonly reason: string;
}

/** One mode of --authorization-mode. An error is thrown; it is not an opinion. */
export interface Authorizer {
  readonly name: string;
  authorize(attributes: AuthorizationAttributes): Decision | Promise<Decision>;
}

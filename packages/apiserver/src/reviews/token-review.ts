// TokenReview: who does this token stand for?
import { badRequest } from "@skiff/api/errors.ts";
import type { TokenReview, TokenReviewStatus } from "@skiff/api/types.ts";
import type { ChainAuthenticator } from "../authn/index.ts";
import type { ResourceHandler } from "../http/endpoint.ts";
import { readReview, typeMeta } from "./read-review.ts";
import { userInfo } from "./user-info.ts";

const KIND = { group: "authentication.k8s.io", version: "v1", kind: "TokenReview", model: "TokenReview" };

/**
 * For programs that authenticate their callers by the apiserver, such as kubelets. With audiences the token must be for
 * one of them.
 */
export function createTokenReviewHandler(authenticator: ChainAuthenticator): ResourceHandler {
  return {
    ...KIND,
    resource: "tokenreviews",
    subresource: "",
    async handle(context) {
      const { spec, metadata } = await readReview<TokenReview>(context, KIND);
      if (!spec?.token) throw badRequest("token is required for TokenReview in authentication");
      const status = await review(authenticator, spec.token, spec.audiences ?? [], context.signal);
      return { code: 201, object: { ...typeMeta(KIND), metadata, spec, status } };
    },
  };
}

/** A token that is not valid is an answer, not an error. */
async function review(
  authenticator: ChainAuthenticator,
  token: string,
  audiences: readonly string[],
  signal: AbortSignal,
): Promise<TokenReviewStatus> {
  const identity = await authenticator.authenticateToken(token, audiences, signal);
  if (!identity) return { user: {}, error: "invalid bearer token" };
  return { authenticated: true, user: userInfo(identity.user), audiences: [...identity.audiences] };
}

// The resources that only answer: token, access and self reviews.
import type { Clock } from "@skiff/component-base/clock.ts";
import { realClock } from "@skiff/component-base/clock.ts";
import type { ChainAuthenticator } from "../authn/index.ts";
import type { ChainAuthorizer } from "../authz/index.ts";
import type { ResourceHandler } from "../http/endpoint.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import { createAccessReviewHandlers } from "./access-reviews.ts";
import { createRulesReviewHandler, createSelfSubjectReviewHandler } from "./self-reviews.ts";
import { createTokenReviewHandler } from "./token-review.ts";

/** All of them but the TokenRequest, which is a subresource of accounts and makes something. */
export function createReviewHandlers(deps: {
  readonly authenticator: ChainAuthenticator;
  readonly authorizer: ChainAuthorizer;
  readonly reader: ObjectReader;
  readonly clock?: Clock;
}): ResourceHandler[] {
  return [
    createTokenReviewHandler(deps.authenticator),
    createSelfSubjectReviewHandler(deps.clock ?? realClock),
    ...createAccessReviewHandlers(deps.authorizer),
    createRulesReviewHandler(deps.authorizer),
  ];
}

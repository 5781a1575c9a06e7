// The chain of authentication: front proxy, client certificate, bearer token, anonymous.
import { isApiError } from "@skiff/api/errors.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { Authenticator, UserInfo } from "./authenticator.ts";
import { createBearerTokenAuthenticator } from "./bearer-token.ts";
import { BootstrapTokenVerifier } from "./bootstrap-token.ts";
import type { RequestHeaderConfig } from "./front-proxy.ts";
import { createFrontProxyAuthenticator } from "./front-proxy.ts";
import type { TokenIdentity } from "./service-account-token.ts";
import { ServiceAccountTokenVerifier } from "./service-account-token.ts";
import { CertificateParser, createX509Authenticator, IssuerCheck } from "./x509.ts";

export interface AuthenticationConfig {
  readonly anonymousAuth: boolean;
  /** PEM of the authorities that sign users' certificates; without it no certificate makes a user. */
  readonly clientCa: string;
  readonly serviceAccountIssuer: string;
  /** PEM texts. */
  readonly serviceAccountKeyFiles: readonly string[];
  /** The issuer when empty, as upstream. */
  readonly apiAudiences: readonly string[];
  readonly requestHeader?: RequestHeaderConfig | undefined;
  /** Whether the tokens of joining machines count. */
  readonly bootstrapTokens?: boolean | undefined;
}

/** The whole chain, and the part of it that TokenReview asks. */
export interface ChainAuthenticator extends Authenticator {
  /** `audiences` are the API's own when empty; undefined for a token that is not valid. */
  authenticateToken(
    token: string,
    audiences: readonly string[],
    signal: AbortSignal,
  ): Promise<TokenIdentity | undefined>;
}

const ANONYMOUS: UserInfo = { name: "system:anonymous", groups: ["system:unauthenticated"], extra: {} };

export function createAuthenticator(
  config: AuthenticationConfig,
  deps: {
    readonly reader: ObjectReader;
    readonly clock: Clock;
    readonly log: Logger;
    readonly metrics?: MetricsRegistry;
  },
): ChainAuthenticator {
  const audiences = config.apiAudiences.length > 0 ? config.apiAudiences : [config.serviceAccountIssuer];
  const verifier = new ServiceAccountTokenVerifier(
    { issuer: config.serviceAccountIssuer, keys: config.serviceAccountKeyFiles, apiAudiences: audiences },
    deps,
  );
  const { metrics } = deps;
  metrics?.observedCounter(
    "serviceaccount_valid_tokens_total",
    "Cumulative valid projected service account tokens used",
    () => [{ value: verifier.valid }],
  );
  metrics?.observedCounter(
    "serviceaccount_stale_tokens_total",
    "Cumulative stale projected service account tokens used",
    () => [{ value: verifier.stale }],
  );
  const bootstrap = config.bootstrapTokens ? new BootstrapTokenVerifier(deps) : undefined;
  const userOfToken = async (token: string, signal: AbortSignal) =>
    (await verifier.verify(token, signal))?.user ?? bootstrap?.verify(token, signal);
  const chain = createChain(config, userOfToken, deps.clock);
  // Such a token says nothing of audiences, so it is for the API's own.
  const bootstrapIdentity = async (token: string, wanted: readonly string[], signal: AbortSignal) => {
    const common = wanted.length > 0 ? audiences.filter((one) => wanted.includes(one)) : audiences;
    const user = common.length > 0 ? await bootstrap?.verify(token, signal) : undefined;
    return user && { user, audiences: common };
  };
  return {
    async authenticate(credentials, signal) {
      let failure: unknown;
      for (const authenticator of chain) {
        try {
          const user = await authenticator.authenticate(credentials, signal);
          if (user) return withAuthenticatedGroup(user);
        } catch (error) {
          // Another proof may still be right, so the refusal waits until all have been asked.
          if (!isApiError(error, "Unauthorized")) throw error;
          failure = error;
        }
      }
      if (failure) throw failure;
      return config.anonymousAuth ? ANONYMOUS : undefined;
    },
    async authenticateToken(token, wanted, signal) {
      const identity =
        (await verifier.verify(token, signal, wanted.length > 0 ? wanted : audiences)) ??
        (await bootstrapIdentity(token, wanted, signal));
      return identity && { ...identity, user: withAuthenticatedGroup(identity.user) };
    },
  };
}

function createChain(
  config: AuthenticationConfig,
  userOfToken: (token: string, signal: AbortSignal) => Promise<UserInfo | undefined>,
  clock: Clock,
): readonly Authenticator[] {
  const parser = new CertificateParser();
  return [
    ...(config.requestHeader ? [createFrontProxyAuthenticator(config.requestHeader, parser, clock)] : []),
    createX509Authenticator(parser, new IssuerCheck(config.clientCa), clock),
    createBearerTokenAuthenticator(userOfToken),
  ];
}

function withAuthenticatedGroup(user: UserInfo): UserInfo {
  if (user.name === ANONYMOUS.name || user.groups.includes("system:authenticated")) return user;
  if (user.groups.includes("system:unauthenticated")) return user;
  return { ...user, groups: [...user.groups, "system:authenticated"] };
}

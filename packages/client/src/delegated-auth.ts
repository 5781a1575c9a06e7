// Who may call a program's own HTTPS port: the apiserver is asked about tokens and permissions.
import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import type {
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReview,
  TokenReview,
  UserInfo,
} from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { LruCache } from "./lru-cache.ts";
import type { RestClient } from "./rest-client.ts";

/** What is asked for: something of the API, or a bare path such as /metrics. Exactly one, as in a SubjectAccessReview. */
export type RequestAttributes =
  | { readonly resourceAttributes: ResourceAttributes }
  | { readonly nonResourceAttributes: NonResourceAttributes };

/** The subject of a client certificate that TLS has verified against the client CA (as `getPeerCertificate()` gives it). */
export interface VerifiedCertificate {
  readonly subject: {
    readonly CN?: string | string[] | undefined;
    readonly O?: string | string[] | undefined;
  };
}

/** A certificate wins where a caller shows both, as in upstream's order of authenticators. */
export interface Credentials {
  readonly certificate?: VerifiedCertificate | undefined;
  readonly bearerToken?: string | undefined;
}

export interface AuthRequest extends Credentials {
  readonly attributes: RequestAttributes;
}

export type AuthVerdict =
  | { readonly status: 200; readonly user: UserInfo }
  | { readonly status: 401; readonly reason: string }
  | { readonly status: 403; readonly user: UserInfo; readonly reason: string };

export interface DelegatedAuthOptions {
  /** Whether callers without credentials are `system:anonymous` (who then needs permission) or turned away with 401. */
  readonly anonymous?: boolean;
  /** Whether the apiserver is asked whose a token is; otherwise whoever has only that is anonymous. True unless told. */
  readonly reviewsTokens?: boolean;
  /** Whether everybody who is authenticated may do everything, and nobody is asked. False unless told. */
  readonly allowsAll?: boolean;
  /** How long the answer about a token is believed, 2 min unless told: so long a deleted account still gets in. */
  readonly tokenTtlMs?: number;
  /** The same of permissions; 5 min unless told. */
  readonly allowedTtlMs?: number;
  /** The same of refusals, 30 s unless told: shorter, so that a new role soon works. */
  readonly deniedTtlMs?: number;
}

/** Tokens and questions remembered. A caller can make up both, so they are bounded. */
const CACHE_SIZE = 1024;
const ANONYMOUS: UserInfo = { username: "system:anonymous", groups: ["system:unauthenticated"] };
/** May do everything, so nobody is asked; the apiserver's own authorizer has the same rule. */
const MASTERS = "system:masters";

/** Its answers are remembered, so that scrapes and probes do not load the apiserver. */
export class DelegatedAuth {
  private readonly client: Pick<RestClient, "request">;
  private readonly log: Logger;
  private readonly options: Required<DelegatedAuthOptions>;
  /** By the token's hash, so that no token stays in memory. Null: the server does not know it. */
  private readonly users: LruCache<UserInfo | null>;
  private readonly decisions: LruCache<{ readonly allowed: boolean; readonly reason: string }>;

  constructor(
    client: Pick<RestClient, "request">,
    options: DelegatedAuthOptions,
    deps: { readonly clock: Clock; readonly log: Logger },
  ) {
    this.client = client;
    this.log = deps.log.child({ part: "delegated-auth" });
    // The times of upstream's kubelet (--authentication-token-webhook-cache-ttl, --authorization-webhook-cache-*-ttl).
    const defaults = {
      anonymous: true,
      reviewsTokens: true,
      allowsAll: false,
      tokenTtlMs: 120_000,
      allowedTtlMs: 300_000,
      deniedTtlMs: 30_000,
    };
    this.options = { ...defaults, ...options };
    this.users = new LruCache(CACHE_SIZE, deps.clock);
    this.decisions = new LruCache(CACHE_SIZE, deps.clock);
  }

  /** Throws when the apiserver cannot be asked: then nobody is let in. */
  async authorize(request: AuthRequest, signal: AbortSignal): Promise<AuthVerdict> {
    const user = await this.authenticate(request, signal);
    if (!user) return { status: 401, reason: "Unauthorized" };
    if (this.options.allowsAll || user.groups?.includes(MASTERS)) return { status: 200, user };
    const { allowed, reason } = await this.decide(user, request.attributes, signal);
    return allowed ? { status: 200, user } : { status: 403, user, reason };
  }

  /** The same for a plain HTTP path, in the form that `serveHealth` takes; answers 500 when the apiserver cannot be asked. */
  async authorizePath(request: IncomingMessage, path: string, signal: AbortSignal): Promise<number> {
    const verb = (request.method ?? "GET").toLowerCase();
    try {
      const attributes = { nonResourceAttributes: { path, verb } };
      return (await this.authorize({ ...credentialsOf(request), attributes }, signal)).status;
    } catch (error) {
      this.log.warn({ path, err: error }, "request could not be authorized");
      return 500;
    }
  }

  private async authenticate(request: Credentials, signal: AbortSignal): Promise<UserInfo | undefined> {
    if (request.certificate) return userOfCertificate(request.certificate);
    if (request.bearerToken && this.options.reviewsTokens)
      return (await this.userOfToken(request.bearerToken, signal)) ?? undefined;
    return this.options.anonymous ? ANONYMOUS : undefined;
  }

  private async userOfToken(token: string, signal: AbortSignal): Promise<UserInfo | null> {
    const key = createHash("sha256").update(token).digest("base64");
    const known = this.users.get(key);
    if (known !== undefined) return known;
    const review = await this.post<TokenReview>("authentication.k8s.io", "TokenReview", { token }, signal);
    const { authenticated, user } = review.status ?? {};
    const answer = authenticated && user ? withAuthenticatedGroup(user) : null;
    // A token may be refused because its account is a moment too young.
    this.users.set(key, answer, answer ? this.options.tokenTtlMs : Math.min(this.options.tokenTtlMs, 10_000));
    return answer;
  }

  private async decide(user: UserInfo, attributes: RequestAttributes, signal: AbortSignal) {
    const spec = { ...attributes, user: user.username, groups: user.groups, uid: user.uid, extra: user.extra };
    const key = JSON.stringify(spec);
    const known = this.decisions.get(key);
    if (known) return known;
    const review = await this.post<SubjectAccessReview>("authorization.k8s.io", "SubjectAccessReview", spec, signal);
    const { allowed = false, reason = "" } = review.status ?? {};
    const { allowedTtlMs, deniedTtlMs } = this.options;
    this.decisions.set(key, { allowed, reason }, allowed ? allowedTtlMs : deniedTtlMs);
    return { allowed, reason };
  }

  /** Reviews are never stored: the answer to the POST is the verdict. */
  private async post<T>(group: string, kind: string, spec: object, signal: AbortSignal): Promise<T> {
    const apiVersion = `${group}/v1`;
    const answer = await this.client.request({
      method: "POST",
      path: `/apis/${apiVersion}/${kind.toLowerCase()}s`,
      body: { apiVersion, kind, metadata: {}, spec },
      timeoutMs: 10_000,
      signal,
    });
    return answer.body as T;
  }
}

/** The credentials of a request to an HTTPS server that asks for client certificates and verifies them. */
export function credentialsOf(request: Pick<IncomingMessage, "socket" | "headers">): Credentials {
  const { socket } = request;
  // `authorized`: the handshake succeeds without a certificate, or with one of another CA, too.
  if (socket instanceof TLSSocket && socket.authorized) {
    const certificate = socket.getPeerCertificate();
    if (certificate?.subject?.CN) return { certificate };
  }
  const bearerToken = request.headers.authorization?.match(/^Bearer +(\S+)$/i)?.[1];
  return bearerToken ? { bearerToken } : {};
}

/** CN is the user, each O a group, as the apiserver reads certificates. */
function userOfCertificate({ subject }: VerifiedCertificate): UserInfo | undefined {
  const [username] = [subject.CN ?? []].flat();
  if (!username) return undefined;
  return withAuthenticatedGroup({ username, groups: [subject.O ?? []].flat() });
}

function withAuthenticatedGroup(user: UserInfo): UserInfo {
  const groups = user.groups ?? [];
  return groups.includes("system:authenticated") ? user : { ...user, groups: [...groups, "system:authenticated"] };
}

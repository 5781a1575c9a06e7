// A client that speaks as a ServiceAccount of kube-system, with tokens that it has issued and renews by itself.
import { isAlreadyExists, isApiError, isNotFound } from "@skiff/api/errors.ts";
import { serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { AuthenticationV1TokenRequest } from "@skiff/api/types.ts";
import type { ClientConfig } from "@skiff/client/config.ts";
import type { RestAnswer, RestClientDeps, RestRequest, StreamAnswer } from "@skiff/client/rest-client.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import type { Clock } from "@skiff/component-base/clock.ts";

const NAMESPACE = "kube-system";
/** Upstream's lifetime for its controllers' tokens: one that leaks is soon worth nothing. */
const TOKEN_SECONDS = 3600;
/** Share of a token's life after which a new one is asked for; upstream's figure. */
const RENEW_AT = 0.8;

/** `account` is the ServiceAccount's name in kube-system. */
export interface AccountOptions {
  readonly account: string;
  readonly userAgent: string;
}

/** Every request carries the account's token; the account itself is made when it does not exist. */
export class AccountClient extends RestClient {
  private readonly issuer: RestClient;
  private readonly account: string;
  private readonly time: Clock;
  private token: Promise<string> | undefined;
  private renewAt = 0;

  /** `issuer` may create ServiceAccounts and their tokens. */
  constructor(issuer: RestClient, server: ClientConfig, { account, userAgent }: AccountOptions, deps: RestClientDeps) {
    // Where the server is and how it proves itself stay; who we are does not.
    const { cert: _, key: __, token: ___, tokenFile: ____, ...anonymous } = server;
    super(anonymous, { userAgent }, deps);
    this.issuer = issuer;
    this.account = account;
    this.time = deps.clock;
  }

  override async request(request: RestRequest): Promise<RestAnswer> {
    return this.withToken(request, (signed) => super.request(signed));
  }

  override async stream(request: RestRequest & { readonly idleTimeoutMs?: number }): Promise<StreamAnswer> {
    return this.withToken(request, (signed) => super.stream(signed));
  }

  /** A token that is refused, as after a change of the signing key, is replaced once. */
  private async withToken<A>(request: RestRequest, send: (signed: RestRequest) => Promise<A>): Promise<A> {
    const token = await this.current(request.signal);
    try {
      return await send(signedBy(token, request));
    } catch (error) {
      if (!isApiError(error, "Unauthorized")) throw error;
      this.renewAt = 0;
      return send(signedBy(await this.current(request.signal), request));
    }
  }

  private current(signal: AbortSignal): Promise<string> {
    if (!this.token || this.time.monotonic() >= this.renewAt) {
      // Set before the answer is there: all requests meanwhile share the one that was asked for.
      this.renewAt = this.time.monotonic() + TOKEN_SECONDS * RENEW_AT * 1000;
      const asked = this.issue(signal);
      this.token = asked;
      // A failure is its callers' to handle; the next call asks anew.
      asked.catch(() => {
        if (this.token === asked) this.token = undefined;
      });
    }
    return this.token;
  }

  private async issue(signal: AbortSignal): Promise<string> {
    await this.ensureAccount(signal);
    const body = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      metadata: {},
      spec: { audiences: [], expirationSeconds: TOKEN_SECONDS },
    };
    const accounts = this.issuer.of(serviceAccounts);
    const answer = await accounts.createSubresource(NAMESPACE, this.account, "token", body, { signal });
    const token = (answer as AuthenticationV1TokenRequest).status?.token;
    if (!token) throw new Error(`no token was issued for service account ${NAMESPACE}/${this.account}`);
    return token;
  }

  private async ensureAccount(signal: AbortSignal): Promise<void> {
    const accounts = this.issuer.of(serviceAccounts);
    try {
      await accounts.get(NAMESPACE, this.account, { signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const account = { metadata: { name: this.account, namespace: NAMESPACE } };
      await accounts.create(NAMESPACE, account, { signal }).catch((failure: unknown) => {
        if (!isAlreadyExists(failure)) throw failure;
      });
    }
  }
}

function signedBy(token: string, request: RestRequest): RestRequest {
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } };
}

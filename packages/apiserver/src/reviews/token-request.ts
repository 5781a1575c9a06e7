// serviceaccounts/token: makes a token for a ServiceAccount, bound to a pod, node or secret if asked.
import { badRequest, conflict, invalid, notFound } from "@skiff/api/errors.ts";
import type { KindDefinition } from "@skiff/api/kind.ts";
import { serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { AuthenticationV1TokenRequest, TokenRequestSpec } from "@skiff/api/types.ts";
import { invalidValue, root } from "@skiff/api/validation/path.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../admission/admission.ts";
import type { RequestContext, ResourceHandler } from "../http/endpoint.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import { resolveBinding } from "./bound-objects.ts";
import { readReview, typeMeta } from "./read-review.ts";
import { createTokenSigner } from "./token-signer.ts";

/** What tokens are made with and what they claim. */
export interface TokenRequestDeps {
  /** PEM of the private key. */
  readonly signingKey: string;
  readonly issuer: string;
  /** What tokens are for when the request does not say. The issuer when empty. */
  readonly apiAudiences: readonly string[];
  readonly reader: ObjectReader;
  readonly admission: readonly AdmissionPlugin[];
  /** The definition of ServiceAccount, for admission. */
  readonly kind: KindDefinition;
  readonly clock: Clock;
}

const KIND = {
  group: "authentication.k8s.io",
  version: "v1",
  kind: "TokenRequest",
  model: "AuthenticationV1TokenRequest",
};
/** One hour; less than ten minutes would have clients ask all the time. */
const DEFAULT_SECONDS = 3600;
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;
// Clients that never read a token again must not break: tokens that admission injected live a year, and warn after this.
const INJECTED_SECONDS = 3607;
const EXTENDED_SECONDS = 365 * 24 * 3600;

/**
 * `kubectl create token` and every pod's projected volume. Throws 404 for an account that does not exist, 422 for a
 * duration out of bounds, 409 for a bound object of another UID. No token is stored anywhere.
 */
export function createTokenRequestHandler(deps: TokenRequestDeps): ResourceHandler {
  const sign = createTokenSigner(deps.signingKey, deps.issuer);
  const apiAudiences = deps.apiAudiences.length > 0 ? deps.apiAudiences : [deps.issuer];
  return {
    group: "",
    version: "v1",
    resource: "serviceaccounts",
    subresource: "token",
    async handle(context) {
      const { namespace, name } = context.info;
      const request = await readReview<AuthenticationV1TokenRequest>(context, KIND);
      matchName(request, namespace, name);
      const account = await deps.reader.getLatest(serviceAccounts, namespace, name, context.signal);
      if (!account) throw notFound(serviceAccounts, name);
      matchAccount(request, name, account.metadata.uid ?? "");
      request.spec = { ...request.spec, expirationSeconds: request.spec?.expirationSeconds ?? DEFAULT_SECONDS };
      // A token for nobody in particular is for the API.
      if (!request.spec.audiences?.length) request.spec.audiences = [...apiAudiences];
      await admit(deps, context, request, apiAudiences);
      const seconds = request.spec.expirationSeconds ?? DEFAULT_SECONDS;
      refuseDuration(seconds);
      const bound = await resolveBinding(request.spec.boundObjectRef, { namespace, name }, deps.reader, context.signal);
      const now = Math.floor(deps.clock.now() / 1000);
      const isExtended = seconds === INJECTED_SECONDS && isForApi(request.spec, apiAudiences);
      const { token, id } = await sign({
        claims: { namespace, serviceaccount: { name, uid: account.metadata.uid }, ...bound },
        audiences: request.spec.audiences,
        issuedAt: now,
        expiresAt: now + (isExtended ? EXTENDED_SECONDS : seconds),
        warnAfter: isExtended ? now + seconds : undefined,
      });
      // By this a use of the token is found again: it is in its user's extra.
      context.annotate("authentication.kubernetes.io/issued-credential-id", `JTI=${id}`);
      const metadata = { name, namespace, creationTimestamp: formatTime(now * 1000) };
      // An extended token is told as if it ended at the time asked for, so that its holder renews it in time.
      const status = { token, expirationTimestamp: formatTime((now + seconds) * 1000) };
      return { code: 201, object: { ...typeMeta(KIND), metadata, spec: request.spec, status } };
    },
  };
}

function matchName({ metadata }: AuthenticationV1TokenRequest, namespace: string, name: string): void {
  if (metadata.name && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  }
  if (metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
}

/** Whoever names the account by its UID wants no token of a later one with the same name. */
function matchAccount({ metadata }: AuthenticationV1TokenRequest, name: string, uid: string): void {
  if (!metadata.uid || metadata.uid === uid) return;
  const why = `the UID in the token request (${metadata.uid}) does not match the UID of the service account (${uid})`;
  throw conflict({ group: KIND.group, plural: KIND.kind }, name, why);
}

function refuseDuration(seconds: number): void {
  const path = root("spec").child("expirationSeconds");
  const why =
    seconds < MIN_SECONDS
      ? "may not specify a duration less than 10 minutes"
      : seconds > MAX_SECONDS
        ? "may not specify a duration larger than 2^32 seconds"
        : undefined;
  if (why) throw invalid(KIND.group, KIND.kind, "", [invalidValue(path, seconds, why)]);
}

function isForApi(spec: TokenRequestSpec, apiAudiences: readonly string[]): boolean {
  return (spec.audiences ?? []).every((audience) => apiAudiences.includes(audience));
}

/** The plug-ins judge this as the creation of a subresource of the account; the API's own audiences count as none. */
async function admit(
  deps: TokenRequestDeps,
  context: RequestContext,
  object: AuthenticationV1TokenRequest,
  apiAudiences: readonly string[],
): Promise<void> {
  const shown = isForApi(object.spec, apiAudiences) ? { ...object, spec: { ...object.spec, audiences: [] } } : object;
  const request: AdmissionRequest = {
    operation: "CREATE",
    kind: deps.kind,
    subresource: "token",
    namespace: context.info.namespace,
    name: context.info.name,
    object: shown,
    oldObject: undefined,
    user: context.user,
    dryRun: context.query.has("dryRun"),
    warn: (text) => context.warn(text),
  };
  for (const plugin of deps.admission) await plugin.admit?.(request, context.signal);
  for (const plugin of deps.admission) await plugin.validate?.(request, context.signal);
}

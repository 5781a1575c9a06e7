// What a driver is told in confidence: Secrets that a volume names, and tokens of the pod's ServiceAccount.
import { secrets } from "@skiff/api/resource-ref.ts";
import type { CSIDriverSpec, Pod } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { TokenManager } from "../token-manager.ts";
import type { Strings } from "./csi-client.ts";
import type { SecretRef } from "./csi-source.ts";

export interface CsiSecretsDeps {
  readonly client: Pick<RestClient, "of">;
  readonly tokens: Pick<TokenManager, "grant">;
}

/** The API's own default for a request that names no life. */
const DEFAULT_TOKEN_SECONDS = 3600;

/** Read anew for each call, and kept nowhere. */
export class CsiSecrets {
  private readonly deps: CsiSecretsDeps;

  constructor(deps: CsiSecretsDeps) {
    this.deps = deps;
  }

  /** `field` says in an error which reference led nowhere. */
  async read(field: string, ref: SecretRef | undefined, signal: AbortSignal): Promise<Strings> {
    if (!ref) return {};
    const { namespace, name } = ref;
    const secret = await this.deps.client
      .of(secrets)
      .get(namespace, name, { signal })
      .catch((error: Error) => {
        throw new Error(`fetching ${field} ${namespace}/${name} failed: ${error.message}`, { cause: error });
      });
    const entries = Object.entries(secret.data ?? {});
    return Object.fromEntries(entries.map(([key, base64]) => [key, Buffer.from(base64, "base64").toString()]));
  }

  /** The tokens that the driver asks for as JSON, by audience; undefined where it asks for none. */
  async tokens(pod: Pod, spec: CSIDriverSpec | undefined, signal: AbortSignal): Promise<string | undefined> {
    const requests = spec?.tokenRequests ?? [];
    if (requests.length === 0) return undefined;
    const grants: Record<string, object> = {};
    for (const { audience, expirationSeconds = DEFAULT_TOKEN_SECONDS } of requests) {
      grants[audience] = await this.deps.tokens.grant(pod, audience, expirationSeconds, signal);
    }
    return JSON.stringify(grants);
  }
}

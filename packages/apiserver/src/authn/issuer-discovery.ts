// What others need to verify this cluster's ServiceAccount tokens: the OpenID configuration and the public keys.
import { createPublicKey } from "node:crypto";
import type { PathHandler } from "../http/endpoint.ts";
import { keyId } from "./service-account-token.ts";

const KEYS_PATH = "/openid/v1/jwks";
const CURVE_ALGORITHMS: Readonly<Record<string, string>> = { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" };

/** RBAC decides who may read them: by default all service accounts (system:service-account-issuer-discovery). */
export function createIssuerDiscoveryHandlers(config: {
  readonly issuer: string;
  /** PEM texts. */
  readonly keys: readonly string[];
  /** `host:port` that clients reach the API at; keys are found there. */
  readonly externalAddress: string;
}): PathHandler[] {
  const keys = config.keys.map(publicJwk);
  const algorithms = [...new Set(keys.map(({ alg }) => alg))];
  const configuration = {
    issuer: config.issuer,
    jwks_uri: `https://${config.externalAddress}${KEYS_PATH}`,
    response_types_supported: ["id_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: algorithms,
  };
  return [
    document("/.well-known/openid-configuration", "application/json", configuration),
    document(KEYS_PATH, "application/jwk-set+json", { keys }),
  ];
}

function publicJwk(pem: string) {
  const key = createPublicKey(pem);
  const jwk = key.export({ format: "jwk" });
  return { use: "sig", kid: keyId(key), alg: CURVE_ALGORITHMS[jwk.crv ?? ""] ?? "RS256", ...jwk };
}

function document(path: string, contentType: string, body: object): PathHandler {
  const bytes = JSON.stringify(body);
  return {
    path,
    handle: async () => ({ code: 200, contentType, bytes, headers: { "cache-control": "public, max-age=3600" } }),
  };
}

// Which versions and suites of TLS the API is served with, from Go's names to Node's. Pure.
import type { SecureVersion } from "node:tls";
import type { Settings } from "./fields.ts";

/** Go's names. Older versions are not offered, as in Go unless one asks for them. */
const VERSIONS: Readonly<Record<string, SecureVersion>> = { VersionTLS12: "TLSv1.2", VersionTLS13: "TLSv1.3" };

/** Go's names of suites of TLS 1.2 → OpenSSL's. Those of TLS 1.3 cannot be chosen, as upstream. */
const SUITES: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  TLS_RSA_WITH_AES_128_GCM_SHA256: "AES128-GCM-SHA256",
  TLS_RSA_WITH_AES_256_GCM_SHA384: "AES256-GCM-SHA384",
};

/** Suites of TLS 1.3 have this form; naming them is allowed and chooses nothing. */
const TLS_13_SUITE = /^TLS_(AES|CHACHA20)_/;

type TlsSettings = Pick<Settings, "tlsMinVersion" | "tlsCipherSuites">;

/** Of a valid configuration. */
export function tlsBounds({ tlsMinVersion, tlsCipherSuites }: TlsSettings): {
  readonly minVersion?: SecureVersion;
  readonly ciphers?: string;
} {
  const minVersion = VERSIONS[tlsMinVersion];
  const chosen = tlsCipherSuites.map((name) => SUITES[name]).filter((name) => name !== undefined);
  return {
    ...(minVersion ? { minVersion } : {}),
    // Without those of 1.3 named too, Node would not offer them.
    ...(chosen.length > 0
      ? {
          ciphers: ["TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", ...chosen].join(
            ":",
          ),
        }
      : {}),
  };
}

/** Upstream's words for names that mean nothing. */
export function tlsProblem({ tlsMinVersion, tlsCipherSuites }: TlsSettings): string | undefined {
  if (tlsMinVersion !== "" && !Object.hasOwn(VERSIONS, tlsMinVersion)) {
    return `tlsMinVersion (--tls-min-version): unknown tls version ${JSON.stringify(tlsMinVersion)}`;
  }
  const unknown = tlsCipherSuites.find((name) => !Object.hasOwn(SUITES, name) && !TLS_13_SUITE.test(name));
  return unknown === undefined
    ? undefined
    : `tlsCipherSuites (--tls-cipher-suites): cipher suite ${unknown} not supported or doesn't exist`;
}

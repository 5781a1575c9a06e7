// The fields and flags of KubeletConfiguration that say who may call the kubelet's API, and how.
import { bool, duration, flagOf, strings, text, word } from "./field-types.ts";

/** Parts of the whole table; apart because the server is what they configure. */
export const SERVER_FIELDS = {
  tlsCipherSuites: strings([]),
  tlsMinVersion: text(""),
  "authentication.x509.clientCAFile": text(""),
  // Without it tokens say nothing of who calls.
  "authentication.webhook.enabled": bool(true),
  "authentication.webhook.cacheTTL": duration(120_000),
  "authentication.anonymous.enabled": bool(false),
  // AlwaysAllow lets everybody in who is somebody, and that is everybody where anonymous callers are.
  "authorization.mode": word("Webhook", "AlwaysAllow"),
  "authorization.webhook.cacheAuthorizedTTL": duration(300_000),
  "authorization.webhook.cacheUnauthorizedTTL": duration(30_000),
  // Logs, exec, attach, port-forward, run and the lists of containers.
  enableDebuggingHandlers: bool(true),
} as const;

const F = SERVER_FIELDS;

/** Their flags under upstream's names. A flag wins over the file. */
export const SERVER_FLAGS = {
  "tls-cipher-suites": flagOf(F.tlsCipherSuites, "names of the suites of TLS 1.2 that are offered, such as TLS_..."),
  "tls-min-version": flagOf(F.tlsMinVersion, "VersionTLS12 or VersionTLS13"),
  "client-ca-file": flagOf(F["authentication.x509.clientCAFile"], "CA of the certificates of callers"),
  "authentication-token-webhook": flagOf(F["authentication.webhook.enabled"], "ask the API whose a token is"),
  "authentication-token-webhook-cache-ttl": flagOf(F["authentication.webhook.cacheTTL"], "how long that is believed"),
  "anonymous-auth": flagOf(
    F["authentication.anonymous.enabled"],
    "let callers without credentials ask, as system:anonymous",
  ),
  "authorization-mode": flagOf(F["authorization.mode"], "Webhook, or AlwaysAllow for whoever is authenticated"),
  "authorization-webhook-cache-authorized-ttl": flagOf(
    F["authorization.webhook.cacheAuthorizedTTL"],
    "how long a permission is believed",
  ),
  "authorization-webhook-cache-unauthorized-ttl": flagOf(
    F["authorization.webhook.cacheUnauthorizedTTL"],
    "how long a refusal is believed",
  ),
  "enable-debugging-handlers": flagOf(F.enableDebuggingHandlers, "serve logs, exec, attach, port-forward and run"),
} as const;

/** Flag → the field that it overrides. */
export const SERVER_FIELD_OF = {
  "tls-cipher-suites": "tlsCipherSuites",
  "tls-min-version": "tlsMinVersion",
  "client-ca-file": "authentication.x509.clientCAFile",
  "authentication-token-webhook": "authentication.webhook.enabled",
  "authentication-token-webhook-cache-ttl": "authentication.webhook.cacheTTL",
  "anonymous-auth": "authentication.anonymous.enabled",
  "authorization-mode": "authorization.mode",
  "authorization-webhook-cache-authorized-ttl": "authorization.webhook.cacheAuthorizedTTL",
  "authorization-webhook-cache-unauthorized-ttl": "authorization.webhook.cacheUnauthorizedTTL",
  "enable-debugging-handlers": "enableDebuggingHandlers",
} as const satisfies Record<keyof typeof SERVER_FLAGS, keyof typeof SERVER_FIELDS>;

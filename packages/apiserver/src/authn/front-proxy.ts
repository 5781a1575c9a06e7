// Users that a trusted front proxy (an aggregating apiserver) names in X-Remote-* headers.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Authenticator, Credentials } from "./authenticator.ts";
import type { CertificateParser } from "./x509.ts";
import { IssuerCheck, isUsable } from "./x509.ts";

/** Header names are as configured (`X-Remote-User`); lists are tried in order. */
export interface RequestHeaderConfig {
  /** PEM of the authorities that sign front proxies' certificates. */
  readonly ca: string;
  /** Common names that may act as a front proxy; all that the authority signed when empty. */
  readonly allowedNames: readonly string[];
  readonly usernameHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
}

export function createFrontProxyAuthenticator(
  config: RequestHeaderConfig,
  parser: CertificateParser,
  clock: Clock,
): Authenticator {
  const issuers = new IssuerCheck(config.ca);
  const usernameHeaders = config.usernameHeaders.map((header) => header.toLowerCase());
  return {
    async authenticate(credentials) {
      const { peerCertificate } = credentials;
      if (!peerCertificate || !mentions(credentials, usernameHeaders)) return undefined;
      const name = config.usernameHeaders.flatMap((header) => headerValues(credentials, header)).find(Boolean);
      if (!name) return undefined;
      const identity = parser.parse(peerCertificate);
      if (!identity || !isUsable(identity, clock.now()) || !issuers.passes(identity, credentials)) return undefined;
      if (config.allowedNames.length > 0 && !config.allowedNames.includes(identity.commonName)) return undefined;
      const groups = config.groupHeaders.flatMap((header) => headerValues(credentials, header));
      return { name, groups, extra: readExtra(credentials, config.extraPrefixes) };
    },
  };
}

/** Whether one of these headers is there: nearly no request has any, and reading them costs. `names` are in lower case. */
function mentions({ rawHeaders }: Credentials, names: readonly string[]): boolean {
  if (!rawHeaders) return true;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const header = rawHeaders[i] ?? "";
    for (const name of names) if (name.length === header.length && header.toLowerCase() === name) return true;
  }
  return false;
}

function* rawPairs({ headers, rawHeaders }: Credentials): Generator<[string, string]> {
  if (rawHeaders) {
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
      yield [(rawHeaders[i] ?? "").toLowerCase(), rawHeaders[i + 1] ?? ""];
    }
    return;
  }
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) yield [name, one];
  }
}

function headerValues(credentials: Credentials, header: string): string[] {
  const wanted = header.toLowerCase();
  return [...rawPairs(credentials)].filter(([name]) => name === wanted).map(([, value]) => value);
}

function readExtra(credentials: Credentials, prefixes: readonly string[]): Record<string, string[]> {
  const extra: Record<string, string[]> = Object.create(null);
  for (const [name, value] of rawPairs(credentials)) {
    const prefix = prefixes.find((candidate) => name.startsWith(candidate.toLowerCase()));
    if (prefix === undefined) continue;
    const key = unescapeKey(name.slice(prefix.length));
    extra[key] = [...(extra[key] ?? []), value];
  }
  return extra;
}

/** Keys may hold characters that header names cannot, so they come percent-encoded. */
function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

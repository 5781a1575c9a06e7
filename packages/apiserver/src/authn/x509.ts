// Client certificates: the common name is the user, the organisations are the groups.
import { createHash, X509Certificate } from "node:crypto";
import { unauthorized } from "@skiff/api/errors.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Authenticator, UserInfo } from "./authenticator.ts";
import { BoundedCache } from "./bounded-cache.ts";

/** What a certificate says, parsed once. */
export interface CertificateIdentity {
  readonly certificate: X509Certificate;
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly clientAuth: boolean;
  readonly fingerprint: string;
}

const CLIENT_AUTH_OID = "1.3.6.1.5.5.7.3.2";
const ANY_USAGE_OID = "2.5.29.37.0";
const MAX_REMEMBERED = 2048;

/** Remembers parsed certificates by fingerprint: programs keep their connections for long, and parsing costs. */
export class CertificateParser {
  private readonly known = new BoundedCache<string, CertificateIdentity>(MAX_REMEMBERED);

  /** Undefined when the bytes are no certificate. */
  parse(der: Uint8Array): CertificateIdentity | undefined {
    const fingerprint = createHash("sha256").update(der).digest("hex");
    const known = this.known.get(fingerprint);
    if (known) return known;
    const identity = readIdentity(der, fingerprint);
    if (identity) this.known.set(fingerprint, identity);
    return identity;
  }
}

/**
 * Certificates that TLS has verified. Validity is judged anew at each request, because a connection may outlive its certificate.
 * `isForeign` names those of another authority (the front proxy's), which say nothing about users.
 */
export function createX509Authenticator(
  parser: CertificateParser,
  isForeign: (identity: CertificateIdentity) => boolean,
  clock: Clock,
): Authenticator {
  return {
    async authenticate({ peerCertificate }) {
      if (!peerCertificate) return undefined;
      const identity = parser.parse(peerCertificate);
      if (!identity || !isUsable(identity, clock.now()) || isForeign(identity)) throw unauthorized();
      return userOf(identity);
    },
  };
}

/** In its time of validity and made for clients. */
export function isUsable(identity: CertificateIdentity, nowMs: number): boolean {
  return identity.clientAuth && nowMs >= identity.notBeforeMs && nowMs <= identity.notAfterMs;
}

function userOf(identity: CertificateIdentity): UserInfo | undefined {
  if (!identity.commonName) return undefined;
  return {
    name: identity.commonName,
    groups: identity.organizations,
    extra: { "authentication.kubernetes.io/credential-id": [`X509SHA256=${identity.fingerprint}`] },
  };
}

function readIdentity(der: Uint8Array, fingerprint: string): CertificateIdentity | undefined {
  try {
    const certificate = new X509Certificate(der);
    const subject: Record<string, unknown> = { ...certificate.toLegacyObject().subject };
    const usages = certificate.keyUsage;
    return {
      certificate,
      commonName: texts(subject.CN).at(-1) ?? "",
      organizations: texts(subject.O),
      notBeforeMs: Date.parse(certificate.validFrom),
      notAfterMs: Date.parse(certificate.validTo),
      // A certificate without extended usages may serve for anything.
      clientAuth: !usages?.length || usages.includes(CLIENT_AUTH_OID) || usages.includes(ANY_USAGE_OID),
      fingerprint,
    };
  } catch {
    return undefined;
  }
}

function texts(value: unknown): string[] {
  if (Array.isArray(value)) return value.filter((item) => typeof item === "string");
  return typeof value === "string" ? [value] : [];
}

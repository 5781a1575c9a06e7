// Client certificates: the common name is the user, the organisations are the groups.
import { createHash, X509Certificate } from "node:crypto";
import { unauthorized } from "@skiff/api/errors.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Authenticator, Credentials, UserInfo } from "./authenticator.ts";
import { BoundedCache } from "./bounded-cache.ts";
import { leadsTo, readCertificates } from "./certificate-path.ts";

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
  /** A connection shows the same bytes with each request, and even their hash costs. */
  private readonly ofConnections = new WeakMap<Uint8Array, CertificateIdentity>();

  /** Undefined when the bytes are no certificate. */
  parse(der: Uint8Array): CertificateIdentity | undefined {
    const known = this.ofConnections.get(der);
    if (known) return known;
    const identity = this.identify(der);
    if (identity) this.ofConnections.set(der, identity);
    return identity;
  }

  private identify(der: Uint8Array): CertificateIdentity | undefined {
    const fingerprint = createHash("sha256").update(der).digest("hex");
    const known = this.known.get(fingerprint);
    if (known) return known;
    const identity = readIdentity(der, fingerprint);
    if (identity) this.known.set(fingerprint, identity);
    return identity;
  }
}

/** Which certificates come from some authorities: TLS alone does not tell, for it trusts those of users and of front proxies alike. */
export class IssuerCheck {
  private readonly authorities: readonly X509Certificate[];
  /** Only a full handshake shows intermediates, so what was found once is kept for resumed connections. */
  private readonly passed = new WeakSet<CertificateIdentity>();

  /** `pem` may hold several certificates; nobody passes when it holds none. */
  constructor(pem: string) {
    this.authorities = readCertificates(pem);
  }

  passes(identity: CertificateIdentity, { peerIntermediates = [] }: Credentials): boolean {
    if (this.passed.has(identity)) return true;
    const intermediates = peerIntermediates.flatMap(readCertificate);
    if (!leadsTo(identity.certificate, intermediates, this.authorities)) return false;
    this.passed.add(identity);
    return true;
  }
}

/** Certificates of users. Validity is judged anew at each request, because a connection may outlive its certificate. */
export function createX509Authenticator(parser: CertificateParser, issuers: IssuerCheck, clock: Clock): Authenticator {
  return {
    async authenticate(credentials) {
      const { peerCertificate, hasBadCertificate } = credentials;
      if (hasBadCertificate) throw unauthorized();
      if (!peerCertificate) return undefined;
      const identity = parser.parse(peerCertificate);
      if (!identity || !isUsable(identity, clock.now()) || !issuers.passes(identity, credentials)) throw unauthorized();
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
    provenUntilMs: identity.notAfterMs,
  };
}

function readCertificate(der: Uint8Array): X509Certificate[] {
  try {
    return [new X509Certificate(der)];
  } catch {
    return [];
  }
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

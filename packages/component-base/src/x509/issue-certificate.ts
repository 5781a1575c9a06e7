// Makes a certificate from a request, signed by an authority.
import { createPrivateKey, type KeyObject, randomBytes, sign, X509Certificate } from "node:crypto";
import { type CertificateRequest, derOf, pemOf } from "./certificate-request.ts";
import { bitString, children, type DerValue, der, oid, readDer, readOid, sequence, TAG, tagged, time } from "./der.ts";

/** PEM texts. */
export interface SigningAuthority {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateTerms {
  /** As certificates.k8s.io names them, such as `client auth`. */
  readonly usages: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** PEM. Whether the request should be granted has been decided before. Throws where the authority cannot sign. */
export function issueCertificate(
  authority: SigningAuthority,
  request: CertificateRequest,
  terms: CertificateTerms,
): string {
  const issuer = readDer(derOf("CERTIFICATE", authority.cert) ?? Buffer.of());
  const key = createPrivateKey(authority.key);
  if (!new X509Certificate(authority.cert).checkPrivateKey(key)) {
    throw new Error("private key does not match public key of the signing certificate");
  }
  return signed(key, subjectOf(issuer).raw, request, terms, keyIdentifier(issuer));
}

/** PEM of a certificate that `key`, the request's own, signs for itself. */
export function selfSignedCertificate(key: string, request: CertificateRequest, terms: CertificateTerms): string {
  return signed(createPrivateKey(key), request.subject, request, terms, undefined);
}

function signed(
  key: KeyObject,
  issuer: Buffer,
  request: CertificateRequest,
  terms: CertificateTerms,
  authorityKey: Buffer | undefined,
): string {
  const kind = key.asymmetricKeyType ?? "";
  const algorithm = ALGORITHMS[kind];
  if (!algorithm) throw new Error(`an authority's key of type ${kind} is not supported`);
  const body = sequence(
    tagged(0, der(TAG.integer, Buffer.from([2]))),
    der(TAG.integer, serialNumber()),
    algorithm.id,
    issuer,
    sequence(time(terms.notBeforeMs), time(terms.notAfterMs)),
    request.subject,
    request.publicKey,
    tagged(3, sequence(...extensions(request, terms.usages, authorityKey))),
  );
  const signature = sign(algorithm.hash, body, key);
  return pemOf("CERTIFICATE", sequence(body, algorithm.id, bitString(signature)));
}

const ALGORITHMS: Readonly<Record<string, { readonly id: Buffer; readonly hash: string | null }>> = {
  ec: { id: sequence(oid("1.2.840.10045.4.3.2")), hash: "sha256" },
  rsa: { id: sequence(oid("1.2.840.113549.1.1.11"), der(0x05)), hash: "sha256" },
  ed25519: { id: sequence(oid("1.3.101.112")), hash: null },
};

const OID = {
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  basicConstraints: "2.5.29.19",
  authorityKey: "2.5.29.35",
  subjectKey: "2.5.29.14",
  alternativeNames: "2.5.29.17",
} as const;

/** Bits of keyUsage, counted from the left. */
const KEY_USAGE_BITS: Readonly<Record<string, number>> = {
  signing: 0,
  "digital signature": 0,
  "content commitment": 1,
  "key encipherment": 2,
  "data encipherment": 3,
  "key agreement": 4,
  "cert sign": 5,
  "crl sign": 6,
  "encipher only": 7,
  "decipher only": 8,
};

const EXTENDED_USAGES: Readonly<Record<string, string>> = {
  any: "2.5.29.37.0",
  "server auth": "1.3.6.1.5.5.7.3.1",
  "client auth": "1.3.6.1.5.5.7.3.2",
  "code signing": "1.3.6.1.5.5.7.3.3",
  "email protection": "1.3.6.1.5.5.7.3.4",
  "s/mime": "1.3.6.1.5.5.7.3.4",
  "ipsec end system": "1.3.6.1.5.5.7.3.5",
  "ipsec tunnel": "1.3.6.1.5.5.7.3.6",
  "ipsec user": "1.3.6.1.5.5.7.3.7",
  timestamping: "1.3.6.1.5.5.7.3.8",
  "ocsp signing": "1.3.6.1.5.5.7.3.9",
  "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
  "netscape sgc": "2.16.840.1.113730.4.1",
};

function extensions(
  request: CertificateRequest,
  usages: readonly string[],
  authorityKey: Buffer | undefined,
): Buffer[] {
  const bits = usages.flatMap((usage) => KEY_USAGE_BITS[usage] ?? []);
  const extended = [...new Set(usages.flatMap((usage) => EXTENDED_USAGES[usage] ?? []))];
  const isNameless = request.commonName === "" && request.organizations.length === 0;
  return [
    ...(bits.length > 0 ? [extension(OID.keyUsage, keyUsage(bits), true)] : []),
    ...(extended.length > 0 ? [extension(OID.extendedKeyUsage, sequence(...extended.map(oid)))] : []),
    // Whatever was asked for, what comes out is never an authority.
    extension(OID.basicConstraints, sequence(), true),
    ...(authorityKey ? [extension(OID.authorityKey, sequence(der(0x80, authorityKey)))] : []),
    ...(request.alternativeNames ? [extension(OID.alternativeNames, request.alternativeNames, isNameless)] : []),
  ];
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  const mark = critical ? [der(TAG.boolean, Buffer.from([0xff]))] : [];
  return sequence(oid(id), ...mark, der(TAG.octetString, value));
}

function keyUsage(bits: readonly number[]): Buffer {
  const last = Math.max(...bits);
  const bytes = Buffer.alloc(Math.floor(last / 8) + 1);
  for (const bit of bits) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
  // DER has no trailing zero bits.
  return bitString(bytes, 7 - (last & 7));
}

function bodyOf(certificate: DerValue): DerValue[] {
  const [body] = children(certificate);
  if (!body) throw new Error("malformed signing certificate");
  const parts = children(body);
  // The version is optional and tagged; without it everything is one place earlier.
  return parts[0]?.tag === 0xa0 ? parts.slice(1) : parts;
}

function subjectOf(certificate: DerValue): DerValue {
  const subject = bodyOf(certificate)[4];
  if (!subject) throw new Error("malformed signing certificate");
  return subject;
}

function keyIdentifier(certificate: DerValue): Buffer | undefined {
  const list = bodyOf(certificate).find(({ tag }) => tag === 0xa3);
  for (const one of list ? children(list).flatMap(children) : []) {
    const [id, ...rest] = children(one);
    const value = rest.at(-1);
    if (id && value && readOid(id) === OID.subjectKey) return readDer(value.content).content;
  }
  return undefined;
}

/** Positive and of full length: the first byte has its sign bit clear and is not zero. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

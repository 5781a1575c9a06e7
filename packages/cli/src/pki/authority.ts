// Makes keys and X.509 certificates: certificate authorities and the leaves that they sign (ECDSA P-256).
import "reflect-metadata";
import { randomBytes, webcrypto } from "node:crypto";
import * as x509 from "@peculiar/x509";

/** PEM texts. */
export interface KeyedCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Kubernetes takes the common name for the user and organizations for the groups. */
export interface LeafRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** Names and IP addresses that a server answers for. */
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
  readonly usages: readonly ("client" | "server")[];
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 86_400_000;
/** kubeadm's: ten years for an authority, one for what it signs. */
const CA_DAYS = 3650;
const LEAF_DAYS = 365;
// Clocks of machines that share a cluster differ a little.
const BACKDATE_MS = 5 * 60_000;

x509.cryptoProvider.set(webcrypto as Crypto);

/** A self-signed authority named `commonName`. */
export async function makeAuthority(commonName: string, nowMs: number): Promise<KeyedCertificate> {
  const keys = await makeKeys();
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: distinguishedName(commonName, []),
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + CA_DAYS * DAY_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { cert: pemText(cert.toString("pem")), key: await privatePem(keys.privateKey) };
}

/** A certificate for `request`, signed by `authority`. */
export async function signLeaf(
  authority: KeyedCertificate,
  request: LeafRequest,
  nowMs: number,
): Promise<KeyedCertificate> {
  const keys = await makeKeys();
  const issuer = new x509.X509Certificate(authority.cert);
  const cert = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: distinguishedName(request.commonName, request.organizations ?? []),
    issuer: issuer.subject,
    notBefore: new Date(nowMs - BACKDATE_MS),
    // Never beyond its issuer: a chain holds only as long as all of it.
    notAfter: new Date(Math.min(nowMs + LEAF_DAYS * DAY_MS, issuer.notAfter.getTime())),
    signingKey: await importKey(authority.key),
    publicKey: keys.publicKey,
    signingAlgorithm: ALGORITHM,
    extensions: await leafExtensions(issuer, request),
  });
  return { cert: pemText(cert.toString("pem")), key: await privatePem(keys.privateKey) };
}

/** The key pair that signs ServiceAccount tokens. */
export async function makeSigningKeys(): Promise<{ readonly publicKey: string; readonly privateKey: string }> {
  const keys = await makeKeys();
  const spki = await webcrypto.subtle.exportKey("spki", keys.publicKey);
  return {
    publicKey: pemText(x509.PemConverter.encode(spki, "PUBLIC KEY")),
    privateKey: await privatePem(keys.privateKey),
  };
}

async function leafExtensions(issuer: x509.X509Certificate, request: LeafRequest): Promise<x509.Extension[]> {
  const usages = request.usages.map((usage) => x509.ExtendedKeyUsage[usage === "client" ? "clientAuth" : "serverAuth"]);
  const names: x509.JsonGeneralName[] = [
    ...(request.dnsNames ?? []).map((value) => ({ type: "dns", value }) as const),
    ...(request.addresses ?? []).map((value) => ({ type: "ip", value }) as const),
  ];
  return [
    new x509.BasicConstraintsExtension(false, undefined, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
    new x509.ExtendedKeyUsageExtension(usages),
    await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
  ];
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<webcrypto.CryptoKeyPair>;
}

async function importKey(pem: string): Promise<CryptoKey> {
  const [der] = x509.PemConverter.decode(pem);
  if (!der) throw new Error("the authority's key file holds no PEM key");
  return webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]);
}

async function privatePem(key: CryptoKey): Promise<string> {
  return pemText(x509.PemConverter.encode(await webcrypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY"));
}

function distinguishedName(commonName: string, organizations: readonly string[]): x509.JsonName {
  return [...organizations.map((name) => ({ O: [name] })), { CN: [commonName] }];
}

// Positive and of full length: the first byte has its sign bit clear and is not zero.
function serialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString("hex");
}

function pemText(pem: string): string {
  return pem.endsWith("\n") ? pem : `${pem}\n`;
}

// Requests for certificates (PKCS #10): making one for a key of ours, and reading somebody else's.
// node:crypto has neither, and @peculiar/x509 costs a program 22 MB and 140 ms to load for a few hundred bytes.
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { isIP } from "node:net";
import { bitString, children, type DerValue, der, oid, readDer, readOid, sequence, TAG, tagged } from "./der.ts";

export interface RequestSubject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
}

export interface CertificateRequest extends Required<RequestSubject> {
  readonly emails: readonly string[];
  readonly uris: readonly string[];
  /** DER, to be taken over into the certificate as they are. */
  readonly subject: Buffer;
  readonly publicKey: Buffer;
  readonly alternativeNames: Buffer | undefined;
  /** Whether the asker holds the key. */
  readonly hasValidSignature: boolean;
}

const OID = {
  commonName: "2.5.4.3",
  organization: "2.5.4.10",
  extensionRequest: "1.2.840.113549.1.9.14",
  alternativeNames: "2.5.29.17",
  ecdsaSha256: "1.2.840.10045.4.3.2",
} as const;

/** Kinds of alternative names by their tag (RFC 5280, GeneralName). */
const EMAIL = 0x81;
const DNS = 0x82;
const URI = 0x86;
const ADDRESS = 0x87;

/** PEM of a request signed with a private key: an elliptic curve's, RSA or Ed25519. */
export function makeCertificateRequest(subject: RequestSubject, key: KeyObject): string {
  const publicKey = createPublicKey(key).export({ type: "spki", format: "der" });
  const info = sequence(
    der(TAG.integer, Buffer.from([0])),
    nameOf(subject),
    publicKey,
    tagged(0, ...attributesOf(subject)),
  );
  const { id, hash, parameters } = signatureOf(key);
  const signature = sign(hash, info, key);
  return pemOf("CERTIFICATE REQUEST", sequence(info, sequence(oid(id), ...parameters), bitString(signature)));
}

/** With a hash as strong as the key. */
function signatureOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject) {
  if (asymmetricKeyType === "ed25519") return { id: "1.3.101.112", hash: null, parameters: [] };
  if (asymmetricKeyType === "rsa") return { id: "1.2.840.113549.1.1.11", hash: "sha256", parameters: [der(0x05)] };
  switch (asymmetricKeyDetails?.namedCurve) {
    case "secp384r1":
      return { id: "1.2.840.10045.4.3.3", hash: "sha384", parameters: [] };
    case "secp521r1":
      return { id: "1.2.840.10045.4.3.4", hash: "sha512", parameters: [] };
    default:
      return { id: OID.ecdsaSha256, hash: "sha256", parameters: [] };
  }
}

/** Throws an Error for what is no request. */
export function parseCertificateRequest(pem: string): CertificateRequest {
  const bytes = derOf("CERTIFICATE REQUEST", pem);
  if (!bytes) throw new Error("PEM block type must be CERTIFICATE REQUEST");
  const [info, algorithm, signature] = children(readDer(bytes));
  if (!info || !algorithm || !signature) throw new Error("malformed certificate request");
  const [, subject, publicKey, attributes] = children(info);
  if (!subject || !publicKey) throw new Error("malformed certificate request");
  const alternativeNames = attributes && alternativeNamesOf(attributes);
  const names = alternativeNames ? children(readDer(alternativeNames)) : [];
  const texts = (tag: number) =>
    names.filter((one) => one.tag === tag).map(({ content }) => content.toString("latin1"));
  const parts = subjectParts(subject);
  const values = (wanted: string) => parts.filter(({ type }) => type === wanted).map(({ value }) => value);
  return {
    commonName: values(OID.commonName).at(-1) ?? "",
    organizations: values(OID.organization),
    dnsNames: texts(DNS),
    emails: texts(EMAIL),
    uris: texts(URI),
    addresses: names.filter(({ tag }) => tag === ADDRESS).map(({ content }) => addressText(content)),
    subject: subject.raw,
    publicKey: publicKey.raw,
    alternativeNames,
    hasValidSignature: isSigned(info.raw, algorithm, signature, publicKey.raw),
  };
}

export function pemOf(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The first block of that label. */
export function derOf(label: string, pem: string): Buffer | undefined {
  const match = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(pem);
  return match?.[1] === undefined ? undefined : Buffer.from(match[1], "base64");
}

function nameOf({ commonName, organizations }: RequestSubject): Buffer {
  const part = (type: string, value: string) => der(TAG.set, sequence(oid(type), text(value)));
  return sequence(
    ...organizations.map((name) => part(OID.organization, name)),
    ...(commonName ? [part(OID.commonName, commonName)] : []),
  );
}

function text(value: string): Buffer {
  const isPrintable = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value);
  return der(isPrintable ? TAG.printable : TAG.utf8, Buffer.from(value, "utf8"));
}

function attributesOf({ dnsNames = [], addresses = [] }: RequestSubject): Buffer[] {
  if (dnsNames.length + addresses.length === 0) return [];
  const names = sequence(
    ...dnsNames.map((name) => der(DNS, Buffer.from(name, "latin1"))),
    ...addresses.map((address) => der(ADDRESS, addressBytes(address))),
  );
  const extension = sequence(oid(OID.alternativeNames), der(TAG.octetString, names));
  return [sequence(oid(OID.extensionRequest), der(TAG.set, sequence(extension)))];
}

function alternativeNamesOf(attributes: DerValue): Buffer | undefined {
  for (const attribute of children(attributes)) {
    const [type, values] = children(attribute);
    if (!type || !values || readOid(type) !== OID.extensionRequest) continue;
    for (const extension of children(values).flatMap(children)) {
      const [id, ...rest] = children(extension);
      const value = rest.at(-1);
      if (id && value && readOid(id) === OID.alternativeNames) return value.content;
    }
  }
  return undefined;
}

function subjectParts(subject: DerValue): { readonly type: string; readonly value: string }[] {
  return children(subject)
    .flatMap(children)
    .flatMap((part) => {
      const [type, value] = children(part);
      return type && value ? [{ type: readOid(type), value: value.content.toString("utf8") }] : [];
    });
}

/** Hash by the signature's algorithm; null where the algorithm has its own. */
const HASHES: Readonly<Record<string, string | null>> = {
  [OID.ecdsaSha256]: "sha256",
  "1.2.840.10045.4.3.3": "sha384",
  "1.2.840.10045.4.3.4": "sha512",
  "1.2.840.113549.1.1.11": "sha256",
  "1.2.840.113549.1.1.12": "sha384",
  "1.2.840.113549.1.1.13": "sha512",
  "1.3.101.112": null,
};

function isSigned(info: Buffer, algorithm: DerValue, signature: DerValue, publicKey: Buffer): boolean {
  const [id] = children(algorithm);
  const hash = id && HASHES[readOid(id)];
  if (hash === undefined) return false;
  try {
    const key = createPublicKey({ key: publicKey, format: "der", type: "spki" });
    return verify(hash, info, key, signature.content.subarray(1));
  } catch {
    // A key that cannot be read has signed nothing.
    return false;
  }
}

function addressBytes(address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const groups = (part: string | undefined) => (part ? part.split(":") : []);
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array<string>(tail === undefined ? 0 : missing).fill("0"), ...groups(tail)];
  return Buffer.from(all.map((group) => group.padStart(4, "0")).join(""), "hex");
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join(".");
  return (bytes.toString("hex").match(/.{4}/g) ?? []).map((group) => group.replace(/^0{1,3}/, "")).join(":");
}

// A private key with its certificate, and until when it holds.
import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";

/** PEM texts; `cert` may be a chain whose first is ours. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
  readonly leaf: X509Certificate;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** Throws an Error where the two do not belong together. */
export function keyPairOf(cert: string, key: string): KeyPair {
  const leaf = new X509Certificate(cert);
  if (!leaf.checkPrivateKey(createPrivateKey(key))) throw new Error("private key does not match public key");
  return {
    cert,
    key,
    leaf,
    notBeforeMs: leaf.validFromDate.getTime(),
    notAfterMs: leaf.validToDate.getTime(),
  };
}

/** PEM of a new key on the curve P-256, in the form that upstream's kubelet writes. */
export function newKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "sec1", format: "pem" }).toString();
}

// Signs ServiceAccount tokens with the cluster's key.

import type { KeyObject } from "node:crypto";
import { createPrivateKey, createPublicKey, randomUUID } from "node:crypto";
import { SignJWT } from "jose";
import type { ServiceAccountClaims } from "../authn/service-account-token.ts";
import { keyId, serviceAccountUser } from "../authn/service-account-token.ts";

/** What a token says of itself, besides the issuer. */
export interface TokenContent {
  readonly claims: ServiceAccountClaims;
  readonly audiences: readonly string[];
  /** Seconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  /** When a use is worth a warning, although the token is still valid. */
  readonly warnAfter?: number | undefined;
}

/** A signed JWT in compact form, and the id by which logs tell it from others. */
export interface SignedToken {
  readonly token: string;
  readonly id: string;
}

export type TokenSigner = (content: TokenContent) => Promise<SignedToken>;

/** `keyPem` is a private RSA or EC key. */
export function createTokenSigner(keyPem: string, issuer: string): TokenSigner {
  const key = createPrivateKey(keyPem);
  // The key's id lets verifiers find the public key among several, as while keys are changed.
  const header = { alg: algorithmOf(key), kid: keyId(createPublicKey(key)) };
  return async ({ claims, audiences, issuedAt, expiresAt, warnAfter }) => {
    const id = randomUUID();
    const kubernetes = { ...claims, ...(warnAfter === undefined ? {} : { warnafter: warnAfter }) };
    const token = await new SignJWT({ "kubernetes.io": kubernetes })
      .setProtectedHeader(header)
      .setIssuer(issuer)
      .setSubject(serviceAccountUser(claims))
      .setAudience([...audiences])
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(expiresAt)
      .setJti(id)
      .sign(key);
    return { token, id };
  };
}

const EC_ALGORITHMS: Readonly<Record<string, string>> = {
  prime256v1: "ES256",
  secp384r1: "ES384",
  secp521r1: "ES512",
};

/** Upstream signs by the type of the key. */
function algorithmOf(key: KeyObject): string {
  if (key.asymmetricKeyType === "rsa") return "RS256";
  const algorithm = EC_ALGORITHMS[key.asymmetricKeyDetails?.namedCurve ?? ""];
  if (!algorithm) throw new Error("the ServiceAccount signing key must be an RSA key or an EC key of a NIST curve");
  return algorithm;
}

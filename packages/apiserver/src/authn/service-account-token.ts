// ServiceAccount tokens: JSON Web Tokens of this cluster's issuer, bound to live objects.

import type { KeyObject } from "node:crypto";
import { createHash, createPublicKey } from "node:crypto";
import type { Clock } from "@skiff/component-base/clock.ts";
import { decodeProtectedHeader, jwtVerify } from "jose";
import type { ObjectReader } from "../registry/object-access.ts";
import type { UserInfo } from "./authenticator.ts";
import { BoundedCache } from "./bounded-cache.ts";
import { findBrokenBinding } from "./service-account-bindings.ts";

export interface ServiceAccountTokenConfig {
  readonly issuer: string;
  /** PEM texts of public (or private) keys, RSA or EC. */
  readonly keys: readonly string[];
  readonly apiAudiences: readonly string[];
}

export interface ObjectClaim {
  readonly name: string;
  readonly uid: string;
}

/** The `kubernetes.io` claim and what of the registered claims is used. */
export interface ServiceAccountClaims {
  readonly namespace: string;
  readonly serviceaccount: ObjectClaim;
  readonly pod?: ObjectClaim;
  readonly node?: ObjectClaim;
  readonly secret?: ObjectClaim;
}

/** A user, and those of the wanted audiences that the token is for. */
export interface TokenIdentity {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

interface VerifiedToken {
  readonly claims: ServiceAccountClaims;
  readonly audiences: readonly string[];
  readonly jti: string | undefined;
  readonly notBeforeMs: number;
  readonly expiresMs: number;
  /** When a use is worth a warning; of tokens that live longer than they say. */
  readonly warnAfterMs: number | undefined;
}

const ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"];
const MAX_TOKEN_BYTES = 16 * 1024;
const MAX_REMEMBERED = 4096;

/** Verifies signatures once per token and asks for the live objects every time. */
export class ServiceAccountTokenVerifier {
  private readonly config: ServiceAccountTokenConfig;
  private readonly deps: { readonly reader: ObjectReader; readonly clock: Clock };
  private readonly keys: ReadonlyMap<string, KeyObject>;
  /** Tokens that were taken, for metrics. */
  valid = 0;
  stale = 0;
  private readonly verified = new BoundedCache<string, VerifiedToken>(MAX_REMEMBERED);

  constructor(config: ServiceAccountTokenConfig, deps: { reader: ObjectReader; clock: Clock }) {
    this.config = config;
    this.deps = deps;
    this.keys = new Map(config.keys.map(createPublicKey).map((key) => [keyId(key), key]));
  }

  /** Undefined when the token is not valid (any more) or for none of `audiences` (the API's own by default). */
  async verify(
    token: string,
    signal: AbortSignal,
    audiences: readonly string[] = this.config.apiAudiences,
  ): Promise<TokenIdentity | undefined> {
    if (token.length > MAX_TOKEN_BYTES) return undefined;
    const verified = await this.verifySignature(token);
    const now = this.deps.clock.now();
    if (!verified || now < verified.notBeforeMs || now >= verified.expiresMs) return undefined;
    const common = audiences.filter((audience) => verified.audiences.includes(audience));
    if (common.length === 0) return undefined;
    const broken = await findBrokenBinding(verified.claims, this.deps.reader, now, signal);
    return broken ? undefined : { user: this.withProof(userOf(verified), verified, now), audiences: common };
  }

  /** Old tokens that were extended still work; the log says who should read his anew. */
  private withProof(user: UserInfo, { claims, warnAfterMs }: VerifiedToken, now: number): UserInfo {
    if (warnAfterMs === undefined || now <= warnAfterMs) {
      this.valid += 1;
      return user;
    }
    this.stale += 1;
    const seconds = Math.round((now - warnAfterMs) / 1000);
    const said = `subject: ${serviceAccountUser(claims)}, seconds after warning threshold: ${seconds}`;
    return { ...user, proof: { "authentication.k8s.io/stale-token": said } };
  }

  private async verifySignature(token: string): Promise<VerifiedToken | undefined> {
    const digest = createHash("sha256").update(token).digest("base64");
    const known = this.verified.get(digest);
    if (known) return known;
    for (const key of this.candidateKeys(token)) {
      const verified = await this.verifyWith(key, token);
      if (!verified) continue;
      this.verified.set(digest, verified);
      return verified;
    }
    return undefined;
  }

  private candidateKeys(token: string): KeyObject[] {
    const named = this.keys.get(keyIdOf(token) ?? "");
    return named ? [named] : [...this.keys.values()];
  }

  private async verifyWith(key: KeyObject, token: string): Promise<VerifiedToken | undefined> {
    try {
      const currentDate = new Date(this.deps.clock.now());
      const { payload } = await jwtVerify(token, key, {
        issuer: this.config.issuer,
        algorithms: ALGORITHMS,
        currentDate,
        requiredClaims: ["exp"],
      });
      const claims = readClaims(payload["kubernetes.io"]);
      if (!claims || payload.sub !== serviceAccountUser(claims)) return undefined;
      return {
        claims,
        audiences: typeof payload.aud === "string" ? [payload.aud] : (payload.aud ?? []),
        jti: payload.jti,
        notBeforeMs: (payload.nbf ?? 0) * 1000,
        expiresMs: (payload.exp ?? 0) * 1000,
        warnAfterMs: warnAfterOf(payload["kubernetes.io"]),
      };
    } catch {
      return undefined;
    }
  }
}

/** The key's name in a token's header, as upstream derives it: the hash of its public form. */
export function keyId(key: KeyObject): string {
  return createHash("sha256")
    .update(key.export({ type: "spki", format: "der" }))
    .digest("base64url");
}

export function serviceAccountUser(claims: ServiceAccountClaims): string {
  return `system:serviceaccount:${claims.namespace}:${claims.serviceaccount.name}`;
}

function keyIdOf(token: string): string | undefined {
  try {
    return decodeProtectedHeader(token).kid;
  } catch {
    return undefined;
  }
}

function readClaims(value: unknown): ServiceAccountClaims | undefined {
  if (!isRecord(value) || typeof value.namespace !== "string") return undefined;
  const serviceaccount = readObjectClaim(value.serviceaccount);
  if (!serviceaccount) return undefined;
  const pod = readObjectClaim(value.pod);
  const node = readObjectClaim(value.node);
  const secret = readObjectClaim(value.secret);
  return {
    namespace: value.namespace,
    serviceaccount,
    ...(pod ? { pod } : {}),
    ...(node ? { node } : {}),
    ...(secret ? { secret } : {}),
  };
}

function warnAfterOf(value: unknown): number | undefined {
  return isRecord(value) && typeof value.warnafter === "number" ? value.warnafter * 1000 : undefined;
}

function readObjectClaim(value: unknown): ObjectClaim | undefined {
  if (!isRecord(value) || typeof value.name !== "string" || typeof value.uid !== "string") return undefined;
  return { name: value.name, uid: value.uid };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function userOf({ claims, jti }: VerifiedToken): UserInfo {
  const extra: Record<string, string[]> = {};
  if (jti) extra["authentication.kubernetes.io/credential-id"] = [`JTI=${jti}`];
  for (const kind of ["node", "pod"] as const) {
    const claim = claims[kind];
    if (!claim) continue;
    extra[`authentication.kubernetes.io/${kind}-name`] = [claim.name];
    extra[`authentication.kubernetes.io/${kind}-uid`] = [claim.uid];
  }
  return {
    name: serviceAccountUser(claims),
    uid: claims.serviceaccount.uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${claims.namespace}`],
    extra,
  };
}

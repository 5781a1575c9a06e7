// The ServiceAccount of a pod as a credential-provider plug-in is told of it: a token, chosen annotations, and a key for its answers.
import { createHash } from "node:crypto";
import { serviceAccounts } from "@skiff/api/resource-ref.ts";
import type { Pod, ServiceAccount } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { TokenManager } from "../../volumes/token-manager.ts";
import type { LoginOwner } from "../pull-secrets.ts";
import type { TokenAttributes } from "./provider-config.ts";

/** What the API is asked of accounts. */
export interface AccountSource {
  /** Rejects where there is none. */
  read(namespace: string, name: string, signal: AbortSignal): Promise<ServiceAccount>;
  /** Bound to the pod and for that very account. */
  token(pod: Pod, accountUid: string, audience: string, signal: AbortSignal): Promise<string>;
}

/** One pod's account, for one plug-in. */
export interface PodAccount {
  readonly owner: LoginOwner;
  readonly token: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** For whom answers are remembered: all pods of the account, or those who have this token. */
  readonly cacheKey: string;
  /** Runs of the plug-in that say the same to it share it. */
  readonly runKey: string;
}

/** Upstream's default life of a TokenRequest. */
const TOKEN_SECONDS = 3600;

export function accountSource(client: RestClient, tokens: Pick<TokenManager, "token">): AccountSource {
  return {
    read: (namespace, name, signal) => client.of(serviceAccounts).get(namespace, name, { signal }),
    token: (pod, uid, audience, signal) => tokens.token(pod, audience, TOKEN_SECONDS, signal, uid),
  };
}

/**
 * "refused" where the account lacks an annotation that the plug-in needs, by which accounts opt in; undefined for a pod
 * without an account. Rejects where the API does not answer.
 */
export async function podAccount(
  pod: Pod,
  attributes: TokenAttributes,
  source: AccountSource,
  signal: AbortSignal,
): Promise<PodAccount | "refused" | undefined> {
  const namespace = pod.metadata.namespace ?? "";
  const name = pod.spec?.serviceAccountName;
  if (!name) return attributes.requireServiceAccount ? "refused" : undefined;
  const { metadata } = await source.read(namespace, name, signal);
  const annotations = chosenAnnotations(metadata.annotations ?? {}, attributes);
  if (!annotations) return "refused";
  const uid = metadata.uid ?? "";
  const token = await source.token(pod, uid, attributes.serviceAccountTokenAudience, signal);
  const tokenHash = createHash("sha256").update(token).digest("hex");
  const sorted = Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1));
  const perToken = attributes.cacheType === "Token" ? ["token", tokenHash] : [];
  return {
    owner: { kind: "ServiceAccount", uid, namespace, name },
    token,
    annotations,
    cacheKey: JSON.stringify([namespace, name, uid, sorted, ...perToken]),
    runKey: JSON.stringify([tokenHash, sorted]),
  };
}

/** Undefined where one is missing that must be there. */
export function chosenAnnotations(
  all: Readonly<Record<string, string>>,
  attributes: Pick<TokenAttributes, "requiredServiceAccountAnnotationKeys" | "optionalServiceAccountAnnotationKeys">,
): Record<string, string> | undefined {
  const { requiredServiceAccountAnnotationKeys: needed, optionalServiceAccountAnnotationKeys: wanted } = attributes;
  if (needed.some((key) => all[key] === undefined)) return undefined;
  const pairs = [...needed, ...wanted].flatMap((key) => (all[key] === undefined ? [] : [[key, all[key]] as const]));
  return Object.fromEntries(pairs);
}

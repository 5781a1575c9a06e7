// Who may use an image that was pulled with a login: what records keep of logins, and how those of a pod compare. Pure.
import { createHash } from "node:crypto";
import type { LoginOwner, PullLogin } from "../pull-secrets.ts";

/** An object's identity, as records name it. */
interface Coordinates {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** A Secret that an image was pulled with. The hash is of the login, so that the same login elsewhere counts too. */
export interface RecordedSecret extends Coordinates {
  readonly credentialHash: string;
}

/** Upstream's ImagePullCredentials: of one image name. None of the three means that a login must be shown again. */
export interface PullCredentials {
  readonly kubernetesSecrets?: readonly RecordedSecret[];
  readonly kubernetesServiceAccounts?: readonly Coordinates[];
  /** It was pulled without a login, or with the node's own: every pod of the node may use it. */
  readonly nodePodsAccessible?: boolean;
}

/** More are not learnt by comparing, so that namespaces that come and go do not make a record grow for ever. */
const MAX_LEARNT = 100;

/** What a record keeps of the login that a pull succeeded with; undefined for a pull without any. */
export function recordedLogin(login: PullLogin | undefined): PullCredentials {
  const owner = login?.owner;
  if (!login || !owner) return { nodePodsAccessible: true };
  const { uid, namespace, name } = owner;
  if (owner.kind === "ServiceAccount") return { kubernetesServiceAccounts: [{ uid, namespace, name }] };
  return { kubernetesSecrets: [recordedSecret(login, owner)] };
}

/** Whether one of the pod's logins is as good as a recorded one. `learn` shall be recorded as well. */
export function matchLogins(
  known: PullCredentials,
  logins: readonly PullLogin[],
): { readonly found: boolean; readonly learn?: PullCredentials } {
  const secrets = known.kubernetesSecrets ?? [];
  const mayLearn = secrets.length < MAX_LEARNT;
  for (const login of logins) {
    if (login.owner?.kind !== "Secret") continue;
    const mine = recordedSecret(login, login.owner);
    for (const one of secrets) {
      const isSame = isSameObject(one, mine);
      const isSameLogin = one.credentialHash !== "" && one.credentialHash === mine.credentialHash;
      if (isSameLogin && isSame) return { found: true };
      // A copy of the Secret, or the Secret with a new password: whoever may change it may use the image.
      if (isSameLogin) return { found: true, ...(mayLearn ? { learn: { kubernetesSecrets: [mine] } } : {}) };
      if (isSame && mayLearn) return { found: true, learn: { kubernetesSecrets: [mine] } };
    }
  }
  const account = logins.find(({ owner }) => owner?.kind === "ServiceAccount")?.owner;
  const accounts = known.kubernetesServiceAccounts ?? [];
  return { found: account !== undefined && accounts.some((one) => isSameObject(one, account)) };
}

/** Both together, sorted; `known` itself where `more` brings nothing new. */
export function mergeCredentials(known: PullCredentials | undefined, more: PullCredentials): PullCredentials {
  if (!known) return more;
  if (known.nodePodsAccessible) return known;
  if (more.nodePodsAccessible) return { nodePodsAccessible: true };
  const { kubernetesSecrets: secrets = [], kubernetesServiceAccounts: accounts = [] } = known;
  const news = (more.kubernetesSecrets ?? []).filter(
    (one) => !secrets.some((old) => isSameObject(old, one) && old.credentialHash === one.credentialHash),
  );
  if (news.length > 0) {
    const kept = secrets.filter((old) => !news.some((one) => isSameObject(old, one)));
    return { ...known, kubernetesSecrets: [...kept, ...news].sort(byCoordinates) };
  }
  const others = (more.kubernetesServiceAccounts ?? []).filter(
    (one) => !accounts.some((old) => isSameObject(old, one)),
  );
  if (others.length === 0) return known;
  return { ...known, kubernetesServiceAccounts: [...accounts, ...others].sort(byCoordinates) };
}

function recordedSecret(login: PullLogin, { uid, namespace, name }: LoginOwner): RecordedSecret {
  return { uid, namespace, name, credentialHash: hashLogin(login) };
}

/** Of the login as Go writes it as JSON, so that records of upstream's kubelet hold here and ours there. */
export function hashLogin({ auth, email }: PullLogin): string {
  const { username, password, identityToken } = auth;
  const fields = { username, password, email, identitytoken: identityToken };
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value));
  const escaped = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const json = JSON.stringify(given).replace(/[<>&\u2028\u2029]/g, escaped);
  return createHash("sha256").update(json).digest("hex");
}

function isSameObject(a: Coordinates, b: Coordinates): boolean {
  return a.uid === b.uid && a.namespace === b.namespace && a.name === b.name;
}

function byCoordinates(a: Coordinates, b: Coordinates): number {
  return compare(a.namespace, b.namespace) || compare(a.name, b.name) || compare(a.uid, b.uid);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

// ServiceAccount tokens for pods: asked for once, kept, and replaced well before they expire.
import type { Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { TokenSource } from "./payloads.ts";

/** `expirationTimestamp` is RFC 3339. */
export interface TokenGrant {
  readonly token: string;
  readonly expirationTimestamp: string;
}

/** Makes one TokenRequest; with `accountUid` for that very account, and not for a later one of its name. */
export type RequestToken = (
  namespace: string,
  serviceAccount: string,
  spec: TokenRequestSpec,
  signal: AbortSignal,
  accountUid?: string,
) => Promise<TokenGrant>;

/** No audience means the API server's own. */
export interface TokenRequestSpec {
  readonly audiences: string[];
  readonly expirationSeconds: number;
  readonly boundObjectRef: { apiVersion: "v1"; kind: "Pod"; name: string; uid: string };
}

interface Entry {
  readonly token: string;
  readonly requestedAt: number;
  readonly expiresAt: number;
}

const DAY_MS = 24 * 3_600_000;
/** Upstream replaces a token once this share of its life is over, or after a day. */
const USED_SHARE = 0.8;

/** Tokens live in memory alone: after a restart pods simply get new ones. */
export class TokenManager implements TokenSource {
  private readonly request: RequestToken;
  private readonly clock: Pick<Clock, "now">;
  /** Pod UID → audience and life → token. */
  private readonly entries = new Map<string, Map<string, Entry>>();

  constructor(request: RequestToken, deps: { clock: Pick<Clock, "now"> }) {
    this.request = request;
    this.clock = deps.clock;
  }

  /** Asks the API only where none is known or the known one is due. Rejects where there is none that still holds. */
  async token(
    pod: Pod,
    audience: string,
    expirationSeconds: number,
    signal: AbortSignal,
    accountUid?: string,
  ): Promise<string> {
    return (await this.entry(pod, audience, expirationSeconds, signal, accountUid)).token;
  }

  /** The token with the end of its life, as CSI drivers are given it. */
  async grant(pod: Pod, audience: string, expirationSeconds: number, signal: AbortSignal): Promise<TokenGrant> {
    const { token, expiresAt } = await this.entry(pod, audience, expirationSeconds, signal);
    return { token, expirationTimestamp: formatTime(expiresAt) };
  }

  /** The pod has ended; the API ends its tokens with it. */
  forget(uid: string): void {
    this.entries.delete(uid);
  }

  /** When the first token of the pod must be replaced; undefined when it has none. */
  nextRefreshAt(uid: string): number | undefined {
    const times = [...(this.entries.get(uid)?.values() ?? [])].map(refreshAt);
    return times.length > 0 ? Math.min(...times) : undefined;
  }

  private async entry(
    pod: Pod,
    audience: string,
    expirationSeconds: number,
    signal: AbortSignal,
    accountUid?: string,
  ): Promise<Entry> {
    const uid = pod.metadata.uid ?? "";
    const tokens = this.entries.get(uid) ?? new Map<string, Entry>();
    const key = `${audience}\0${expirationSeconds}\0${accountUid ?? ""}`;
    const known = tokens.get(key);
    if (known && !this.isDue(known)) return known;
    try {
      const entry = await this.fetch(pod, audience, expirationSeconds, signal, accountUid);
      tokens.set(key, entry);
      this.entries.set(uid, tokens);
      return entry;
    } catch (error) {
      // Late is better than never: the old token still works until it expires.
      if (known && known.expiresAt > this.clock.now()) return known;
      throw new Error(`failed to fetch token: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }

  private isDue(entry: Entry): boolean {
    return this.clock.now() >= refreshAt(entry);
  }

  private async fetch(
    pod: Pod,
    audience: string,
    seconds: number,
    signal: AbortSignal,
    accountUid?: string,
  ): Promise<Entry> {
    const { name, namespace = "", uid = "" } = pod.metadata;
    const spec: TokenRequestSpec = {
      audiences: audience ? [audience] : [],
      expirationSeconds: seconds,
      boundObjectRef: { apiVersion: "v1", kind: "Pod", name, uid },
    };
    const requestedAt = this.clock.now();
    const account = pod.spec?.serviceAccountName || "default";
    const grant = await this.request(namespace, account, spec, signal, accountUid);
    return { token: grant.token, requestedAt, expiresAt: Date.parse(grant.expirationTimestamp) };
  }
}

function refreshAt(entry: Entry): number {
  return entry.requestedAt + Math.min(DAY_MS, (entry.expiresAt - entry.requestedAt) * USED_SHARE);
}

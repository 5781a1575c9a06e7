// Bootstrap tokens: what a machine that joins the cluster shows before it has a certificate. Each is a Secret in kube-system.
import { timingSafeEqual } from "node:crypto";
import { secrets } from "@skiff/api/resource-ref.ts";
import type { Secret } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import { parseTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { ObjectReader } from "../registry/object-access.ts";
import type { UserInfo } from "./authenticator.ts";

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const NAMESPACE = "kube-system";
const SECRET_TYPE = "bootstrap.kubernetes.io/token";
const GROUP = "system:bootstrappers";
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

export class BootstrapTokenVerifier {
  private readonly deps: { readonly reader: ObjectReader; readonly clock: Clock; readonly log: Logger };

  constructor(deps: { readonly reader: ObjectReader; readonly clock: Clock; readonly log: Logger }) {
    this.deps = deps;
  }

  /** Undefined for what is no such token, or one that is wrong, spent or not for this use. */
  async verify(token: string, signal: AbortSignal): Promise<UserInfo | undefined> {
    const [, id = "", key = ""] = TOKEN.exec(token) ?? [];
    if (!id) return undefined;
    const { reader, clock, log } = this.deps;
    const name = `bootstrap-token-${id}`;
    // Only a miss is worth asking etcd: the token may be younger than this server's cache.
    const secret = reader.get(secrets, NAMESPACE, name) ?? (await reader.getLatest(secrets, NAMESPACE, name, signal));
    const verdict = judgeToken(secret, id, key, clock.now());
    if ("user" in verdict) return verdict.user;
    log.debug({ secret: name, reason: verdict.problem }, "bootstrap token was refused");
    return undefined;
  }
}

export type TokenVerdict = { readonly user: UserInfo } | { readonly problem: string };

/** Pure. A Secret with wrong groups makes no user at all, as upstream has it: it says that somebody erred. */
export function judgeToken(secret: Readonly<Secret> | undefined, id: string, key: string, nowMs: number): TokenVerdict {
  if (!secret) return { problem: "there is no such Secret" };
  if (secret.metadata.deletionTimestamp) return { problem: "its Secret is being deleted" };
  if (secret.type !== SECRET_TYPE) return { problem: "its Secret has another type" };
  const field = (name: string) => Buffer.from(secret.data?.[name] ?? "", "base64").toString("utf8");
  if (!isSame(field("token-secret"), key)) return { problem: "its key is wrong" };
  if (field("token-id") !== id) return { problem: "its Secret has another token-id" };
  const expiration = field("expiration");
  // A time that cannot be read is NaN, and counts as past.
  if (expiration && !(parseTime(expiration) > nowMs)) return { problem: "it has expired" };
  if (field("usage-bootstrap-authentication") !== "true") return { problem: "it is not for authentication" };
  const extra = field("auth-extra-groups")
    .split(",")
    .filter((group) => group !== "");
  const wrong = extra.find((group) => !EXTRA_GROUP.test(group));
  if (wrong !== undefined) return { problem: `its Secret has the group ${JSON.stringify(wrong)}` };
  const groups = [...new Set([GROUP, ...extra])].sort();
  return { user: { name: `system:bootstrap:${id}`, groups, extra: {} } };
}

function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
}

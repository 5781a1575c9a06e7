// Impersonate-* headers: acting as somebody else, for those who may.
import { badRequest } from "@skiff/api/errors.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { AuthorizationAttributes, Authorizer } from "../authz/authorizer.ts";
import { requireAllowed } from "./authorization.ts";

/** The headers of a request, and names and values in turn, where repeated ones stay apart. */
type Head = { readonly rawHeaders: readonly string[] };

/** The user that the request acts as; `user` itself without such headers. Throws 403 when that is not allowed. */
export async function impersonate(user: UserInfo, head: Head, authorizer: Authorizer): Promise<UserInfo> {
  const wanted = mentionsImpersonation(head) ? readHeaders(head) : undefined;
  if (!wanted) return user;
  for (const target of targetsOf(wanted)) await requireAllowed({ ...BASE, ...target, user }, authorizer);
  return { ...wanted, groups: groupsOf(wanted) };
}

/** Each part of the wanted identity is a resource of its own, on which the user needs the verb `impersonate`. */
const BASE = {
  verb: "impersonate",
  isResourceRequest: true,
  namespace: "",
  group: "",
  version: "v1",
  subresource: "",
  path: "",
} as const;

/** Hardly any request does, and looking for each header in turn costs. */
function mentionsImpersonation({ rawHeaders }: Head): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? "";
    if ((name[0] === "i" || name[0] === "I") && name.toLowerCase().startsWith("impersonate-")) return true;
  }
  return false;
}

function readHeaders({ rawHeaders }: Head): UserInfo | undefined {
  const name = valuesOf(rawHeaders, "impersonate-user")[0] ?? "";
  const groups = valuesOf(rawHeaders, "impersonate-group");
  const uid = valuesOf(rawHeaders, "impersonate-uid")[0] ?? "";
  const extra: Record<string, string[]> = Object.create(null);
  for (const [header, value] of pairs(rawHeaders)) {
    if (!header.startsWith(EXTRA_PREFIX)) continue;
    const key = decodeKey(header.slice(EXTRA_PREFIX.length));
    extra[key] = [...(extra[key] ?? []), value];
  }
  if (!name) {
    if (groups.length === 0 && !uid && Object.keys(extra).length === 0) return undefined;
    throw badRequest("requested impersonation without impersonating a user");
  }
  return { name, groups, extra, ...(uid ? { uid } : {}) };
}

const EXTRA_PREFIX = "impersonate-extra-";
/** Acting as an account takes the right on it, which a namespace's administrator may have. */
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

type Target = Pick<AuthorizationAttributes, "resource" | "name"> & Partial<AuthorizationAttributes>;

/** Each needs a right of its own: to be allowed a user is not to be allowed any group. */
function* targetsOf(wanted: UserInfo): Iterable<Target> {
  const account = SERVICE_ACCOUNT.exec(wanted.name);
  if (account) yield { resource: "serviceaccounts", namespace: account[1] ?? "", name: account[2] ?? "" };
  else yield { resource: "users", name: wanted.name };
  for (const name of wanted.groups) yield { resource: "groups", name };
  if (wanted.uid) yield { group: "authentication.k8s.io", resource: "uids", name: wanted.uid };
  for (const [key, values] of Object.entries(wanted.extra)) {
    for (const name of values) {
      yield { group: "authentication.k8s.io", resource: "userextras", subresource: key, name };
    }
  }
}

/** A ServiceAccount's own groups when none are named, and the group of all who proved who they are. */
function groupsOf(wanted: UserInfo): string[] {
  const groups = [...wanted.groups];
  const account = SERVICE_ACCOUNT.exec(wanted.name);
  if (account && groups.length === 0) groups.push("system:serviceaccounts", `system:serviceaccounts:${account[1]}`);
  const everybody = wanted.name === "system:anonymous" ? "system:unauthenticated" : "system:authenticated";
  return groups.some((group) => EVERYBODY.has(group)) ? groups : [...groups, everybody];
}

const EVERYBODY: ReadonlySet<string> = new Set(["system:authenticated", "system:unauthenticated"]);

/** Each value by itself: the names of groups may hold commas. */
function valuesOf(rawHeaders: readonly string[], wanted: string): string[] {
  return [...pairs(rawHeaders)].filter(([name, value]) => name === wanted && value !== "").map(([, value]) => value);
}

function* pairs(rawHeaders: readonly string[]): Generator<[string, string]> {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    if (name.startsWith("impersonate-")) yield [name, rawHeaders[i + 1] ?? ""];
  }
}

/** Header names cannot hold every character of a key, so clients escape it. */
function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

// Impersonate-* headers: acting as somebody else, for those who may.
import type { IncomingHttpHeaders } from "node:http";
import { badRequest } from "@skiff/api/errors.ts";
import type { UserInfo } from "../authn/authenticator.ts";
import type { AuthorizationAttributes, Authorizer } from "../authz/authorizer.ts";
import { requireAllowed } from "./authorization.ts";

/** The user that the request acts as; `user` itself without such headers. Throws 403 when that is not allowed. */
export async function impersonate(
  user: UserInfo,
  headers: IncomingHttpHeaders,
  authorizer: Authorizer,
): Promise<UserInfo> {
  const wanted = readHeaders(headers);
  if (!wanted) return user;
  for (const target of targetsOf(wanted)) await requireAllowed({ ...BASE, ...target, user }, authorizer);
  return { ...wanted, groups: groupsOf(wanted) };
}

const BASE = {
  verb: "impersonate",
  isResourceRequest: true,
  namespace: "",
  group: "",
  version: "v1",
  subresource: "",
  path: "",
} as const;

function readHeaders(headers: IncomingHttpHeaders): UserInfo | undefined {
  const name = one(headers["impersonate-user"]);
  const groups = all(headers["impersonate-group"]);
  const uid = one(headers["impersonate-uid"]);
  const extra: Record<string, readonly string[]> = {};
  for (const header of Object.keys(headers)) {
    if (!header.startsWith(EXTRA_PREFIX)) continue;
    extra[decodeKey(header.slice(EXTRA_PREFIX.length))] = all(headers[header]);
  }
  if (!name) {
    if (groups.length === 0 && !uid && Object.keys(extra).length === 0) return undefined;
    throw badRequest("requested impersonation without impersonating a user");
  }
  return { name, groups, extra, ...(uid ? { uid } : {}) };
}

const EXTRA_PREFIX = "impersonate-extra-";
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;

type Target = Pick<AuthorizationAttributes, "resource" | "name"> & Partial<AuthorizationAttributes>;

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
  return groups.includes(everybody) ? groups : [...groups, everybody];
}

function one(value: string | string[] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? "";
}

/** Node joins repeated headers with commas. */
function all(value: string | string[] | undefined): string[] {
  const text = Array.isArray(value) ? value.join(",") : (value ?? "");
  return text
    .split(",")
    .map((part) => part.trim())
    .filter(Boolean);
}

function decodeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

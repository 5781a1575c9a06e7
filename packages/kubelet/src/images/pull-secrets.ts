// Registry credentials from imagePullSecrets: which of them are meant for an image.
import type { Secret } from "@skiff/api/types.ts";
import type { AuthConfig } from "../cri/types.ts";
import { parseImageReference } from "./image-reference.ts";

/** The object that a login comes from. */
export interface LoginOwner {
  readonly kind: "Secret" | "ServiceAccount";
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** What an image can be pulled with. */
export interface PullLogin {
  readonly auth: AuthConfig;
  readonly email?: string | undefined;
  /** Whose pods may use it; undefined for a login of the node itself, which is every pod's. */
  readonly owner?: LoginOwner | undefined;
}

/** One entry of a Docker configuration, or of a plug-in's answer. */
export interface Login extends PullLogin {
  /** Registry host, with an optional path and `*` in parts of the host. */
  readonly where: string;
}

/** Credentials for `image`, the most specific first. Secrets of other types are passed over. */
export function credentialsFor(image: string, secrets: readonly Readonly<Secret>[]): PullLogin[] {
  const { registry, repository } = parseImageReference(image);
  return matchingLogins(`${registry}/${repository}`, secrets.flatMap(loginsOf));
}

/** Of `logins` those for an image, which is given as registry and repository; the most specific first. */
export function matchingLogins(image: string, logins: readonly Login[]): PullLogin[] {
  const bare = logins.map(({ where, ...login }) => ({ where: stripScheme(where), login }));
  const matching = bare.filter(({ where }) => isMeantFor(where, image));
  return matching.sort((a, b) => b.where.length - a.where.length).map(({ login }) => login);
}

/** As `docker login` writes it: `auth` is base64 of `user:password`. */
interface DockerAuth {
  username?: string;
  password?: string;
  email?: string;
  auth?: string;
  identitytoken?: string;
}

function loginsOf(secret: Readonly<Secret>): Login[] {
  // The type kubernetes.io/dockerconfigjson, and the older kubernetes.io/dockercfg.
  const current = secret.data?.[".dockerconfigjson"];
  const config = current ?? secret.data?.[".dockercfg"];
  const text = Buffer.from(config ?? "", "base64").toString("utf8");
  const { uid = "", namespace = "", name } = secret.metadata;
  const owner = { kind: "Secret", uid, namespace, name } as const;
  // A malformed Secret gives no credentials; the pull's own error then tells the user.
  return (loginsOfConfig(text, !current) ?? []).map((login) => ({ ...login, owner }));
}

/** Of the text of a Docker configuration, or of the older form without its `auths` level; undefined for what is neither. */
export function loginsOfConfig(text: string, isLegacy: boolean): Login[] | undefined {
  try {
    const parsed = JSON.parse(text) as Record<string, DockerAuth> & { auths?: Record<string, DockerAuth> };
    const entries: Record<string, DockerAuth> = isLegacy ? parsed : (parsed.auths ?? {});
    return Object.entries(entries).map(([where, entry]) => ({ where, auth: authOf(entry), email: entry.email }));
  } catch {
    return undefined;
  }
}

function authOf(entry: DockerAuth): AuthConfig {
  const [user = "", ...rest] = Buffer.from(entry.auth ?? "", "base64")
    .toString("utf8")
    .split(":");
  const username = entry.username ?? user;
  const password = entry.password ?? rest.join(":");
  return { username, password, ...(entry.identitytoken ? { identityToken: entry.identitytoken } : {}) };
}

function stripScheme(where: string): string {
  const bare = where.replace(/^https?:\/\//, "").replace(/\/v[12]\/?$/, "");
  return bare.replace(/\/+$/, "");
}

/** Whether `where`, a registry's host with `*` in its parts and perhaps a path, means that image. */
export function isMeantFor(where: string, image: string): boolean {
  const end = image.indexOf("/");
  const registry = image.slice(0, end);
  const repository = image.slice(end + 1);
  const slash = where.indexOf("/");
  const host = slash < 0 ? where : where.slice(0, slash);
  const path = slash < 0 ? "" : where.slice(slash + 1);
  // Whole path segments: credentials for `team` are not for `teams`.
  if (path && repository !== path && !repository.startsWith(`${path}/`)) return false;
  const isDockerHub =
    registry === "docker.io" && ["index.docker.io", "docker.io", "registry-1.docker.io"].includes(host);
  return isDockerHub || hostMatches(host, registry);
}

function hostMatches(pattern: string, host: string): boolean {
  const wanted = pattern.split(".");
  const parts = host.split(".");
  return wanted.length === parts.length && wanted.every((part, index) => globMatches(part, parts[index] ?? ""));
}

function globMatches(pattern: string, text: string): boolean {
  const escaped = pattern.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}$`).test(text);
}

// Parts of audit events that come from the request's head.
import type { UserInfo } from "../authn/authenticator.ts";
import type { RawRequest } from "../http/exchange.ts";
import type { RequestInfo } from "../http/request-info.ts";

/** A user as audit.k8s.io writes it; empty fields are left out. */
export function userFields(user: UserInfo | undefined): object {
  if (!user) return {};
  const { name, uid, groups, extra } = user;
  return {
    username: name,
    ...(uid ? { uid } : {}),
    ...(groups.length > 0 ? { groups } : {}),
    ...(Object.keys(extra).length > 0 ? { extra } : {}),
  };
}

/** What the request is about; a name that only the body says is taken from there. Undefined for plain paths. */
export function objectReference(info: RequestInfo, body: unknown): object | undefined {
  if (!info.isResourceRequest) return undefined;
  // The body of a patch is no object, and its metadata says what changes rather than what it is.
  const metadata = info.verb === "patch" ? {} : metadataOf(body);
  const text = (value: unknown) => (typeof value === "string" && value ? value : undefined);
  const name = info.name || text(metadata.name);
  const namespace = info.namespace || text(metadata.namespace);
  const uid = text(metadata.uid);
  const resourceVersion = text(metadata.resourceVersion);
  return {
    resource: info.resource,
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(uid ? { uid } : {}),
    ...(info.group ? { apiGroup: info.group } : {}),
    apiVersion: info.version,
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(info.subresource ? { subresource: info.subresource } : {}),
  };
}

function metadataOf(body: unknown): Readonly<Record<string, unknown>> {
  const metadata = (body as { metadata?: unknown } | undefined)?.metadata;
  return typeof metadata === "object" && metadata !== null ? (metadata as Record<string, unknown>) : {};
}

/** The client's address last, after those that proxies say. */
export function sourceAddresses(raw: RawRequest): string[] {
  const forwarded = String(raw.headers["x-forwarded-for"] ?? "").split(",");
  const said = [...forwarded, String(raw.headers["x-real-ip"] ?? "")].map((text) => text.trim());
  const socket = "stream" in raw ? raw.stream.session?.socket : raw.socket;
  const remote = (socket?.remoteAddress ?? "").replace(/^::ffff:/, "");
  return [...new Set([...said, remote].filter((text) => /^[\da-fA-F:.]{2,45}$/.test(text)))];
}

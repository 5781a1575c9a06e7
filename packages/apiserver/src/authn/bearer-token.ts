// Bearer tokens: in the Authorization header, or for browsers' WebSockets in a subprotocol.
import { unauthorized } from "@skiff/api/errors.ts";
import type { Authenticator, Credentials, UserInfo } from "./authenticator.ts";

/** The subprotocol that carries a token; it must never be passed on. */
export const BEARER_SUBPROTOCOL_PREFIX = "base64url.bearer.authorization.k8s.io.";

/** A token that is offered must be right: a wrong one is refused rather than taken for an anonymous request. */
export function createBearerTokenAuthenticator(
  verify: (token: string, signal: AbortSignal) => Promise<UserInfo | undefined>,
): Authenticator {
  return {
    async authenticate(credentials, signal) {
      const token = bearerToken(credentials) ?? webSocketToken(credentials);
      if (token === undefined) return undefined;
      const user = await verify(token, signal);
      if (!user) throw unauthorized();
      return user;
    },
  };
}

function bearerToken({ headers }: Credentials): string | undefined {
  const match = /^bearer +(\S+)\s*$/i.exec(headers.authorization?.trim() ?? "");
  return match?.[1];
}

function webSocketToken({ headers }: Credentials): string | undefined {
  if (headers.upgrade?.toLowerCase() !== "websocket") return undefined;
  const offered = String(headers["sec-websocket-protocol"] ?? "").split(",");
  const carrier = offered.map((item) => item.trim()).find((item) => item.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  if (carrier === undefined) return undefined;
  return Buffer.from(carrier.slice(BEARER_SUBPROTOCOL_PREFIX.length), "base64url").toString("utf8");
}

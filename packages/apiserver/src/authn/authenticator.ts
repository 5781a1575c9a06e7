// Who makes a request: the contract of authentication, and the chain of ways to prove an identity.
import type { IncomingHttpHeaders } from "node:http";

/** An authenticated user, as in authentication.k8s.io. */
export interface UserInfo {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
  /** What the audit log tells of how the user proved who he is, as annotations. */
  readonly proof?: Readonly<Record<string, string>>;
  /** When the certificate that proved it ends. */
  readonly provenUntilMs?: number;
}

/** What a request offers as proof. */
export interface Credentials {
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as Node gives them: repeated headers stay apart here, while `headers` joins them. */
  readonly rawHeaders?: readonly string[] | undefined;
  /** DER, and only present when TLS has verified it against one of the authorities for clients. */
  readonly peerCertificate: Uint8Array | undefined;
  /** DER of what the client has sent along to lead from its certificate to an authority. */
  readonly peerIntermediates?: readonly Uint8Array[] | undefined;
  /** A certificate was shown that TLS could not verify. */
  readonly hasBadCertificate?: boolean | undefined;
}

export interface Authenticator {
  /** Undefined when the credentials say nothing to this one; throws `unauthorized()` when they are wrong. */
  authenticate(credentials: Credentials, signal: AbortSignal): Promise<UserInfo | undefined>;
}

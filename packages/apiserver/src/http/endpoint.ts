// What handlers of requests see and give back, whatever carries them (HTTP/1.1, HTTP/2, an upgraded socket).
import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import type { Duplex } from "node:stream";
import type { UserInfo } from "../authn/authenticator.ts";
import type { RequestInfo } from "./request-info.ts";

/** One request after the filters: it is authenticated and authorized. */
export interface RequestContext {
  readonly raw: IncomingMessage | Http2ServerRequest;
  readonly info: RequestInfo;
  readonly user: UserInfo;
  readonly query: URLSearchParams;
  /** Aborts when the client goes away, the deadline passes or the server stops. */
  readonly signal: AbortSignal;
  /** Adds a `Warning: 299 - "…"` header to the answer. */
  warn(text: string): void;
  /** Adds an annotation to the request's audit event, where there is one. */
  annotate(key: string, value: string): void;
  /** The body parsed as its content type says (JSON, YAML); throws ApiError 400, 413, 415. */
  readBody(): Promise<unknown>;
}

/** An object to encode as the client prefers, bytes as they are, or a stream that the server pipes with back-pressure. */
export type Answer =
  | { readonly code: number; readonly object: object; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly code: number;
      readonly contentType: string;
      readonly bytes: Uint8Array | string;
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      readonly code: number;
      readonly contentType: string;
      readonly stream: NodeJS.ReadableStream;
      /** Bytes that the stream will bring, where that is known: such answers need no chunks. */
      readonly length?: number;
      /** Every chunk must reach the client at once (watches, followed logs): never compressed. */
      readonly live?: boolean;
      readonly headers?: Readonly<Record<string, string>>;
    };

/** A plain path (discovery, OpenAPI, health, version, metrics). A `path` that ends in `/` serves everything below it. */
export interface PathHandler {
  readonly path: string;
  handle(context: RequestContext): Promise<Answer>;
}

/**
 * A resource without storage (tokenreviews) or a subresource with behaviour of its own (pods/log, serviceaccounts/token).
 * The registry serves what has no handler here.
 */
export interface ResourceHandler {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  /** Empty for the resource itself. */
  readonly subresource: string;
  handle(context: RequestContext): Promise<Answer>;
  /** For requests with `Connection: Upgrade`; owns the socket from then on. Throws ApiError before the first byte. */
  upgrade?(context: RequestContext, socket: Duplex, head: Buffer): Promise<void>;
}

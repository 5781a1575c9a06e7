// Keep-alive connections to one server, by Node's own HTTP client.
import type { Agent, ClientRequest, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { createSecureContext } from "node:tls";
import { ConnectionError, IDLE_CODE } from "./connection-error.ts";

export interface HttpPoolOptions {
  /** The most connections, and so requests, at once; others wait their turn. */
  readonly connections: number;
  readonly maxAnswerBytes?: number;
  readonly connectTimeoutMs: number;
  readonly tls?: TlsOptions;
}

export interface TlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: string | Uint8Array | null;
  readonly signal: AbortSignal;
  /** Ends an answer that says nothing for so long; 0 waits for ever. */
  readonly idleTimeoutMs: number;
}

export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: HttpBody;
}

/** An answer's bytes as they come. Destroy one that is not read to its end. */
export interface HttpBody extends AsyncIterable<Uint8Array> {
  text(): Promise<string>;
  destroy(): void;
}

/** A dead peer is noticed by these even on a connection that only listens. */
const TCP_PROBE_MS = 30_000;

export class HttpPool {
  private readonly agent: Agent;
  private readonly options: HttpPoolOptions;
  private readonly base: { host: string; port: string; agent: Agent };
  private readonly start: typeof httpRequest;

  constructor(origin: string, options: HttpPoolOptions) {
    const { protocol, hostname, port } = new URL(origin);
    const secure = protocol === "https:";
    const settings = {
      keepAlive: true,
      keepAliveMsecs: TCP_PROBE_MS,
      maxSockets: options.connections,
      maxFreeSockets: options.connections,
      scheduling: "lifo",
    } as const;
    this.options = options;
    this.agent = secure ? new HttpsAgent({ ...settings, ...tlsSettings(options.tls ?? {}) }) : new HttpAgent(settings);
    this.start = secure ? httpsRequest : httpRequest;
    this.base = { host: hostname.replace(/^\[|\]$/g, ""), port: port || (secure ? "443" : "80"), agent: this.agent };
  }

  /** Resolves with the head of the answer; the body is still to come. */
  request({ method, path, headers, body, signal, idleTimeoutMs }: HttpRequest): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const outgoing = this.start({ ...this.base, method, path, headers: withLength(headers, body), signal });
      outgoing.on("error", reject);
      outgoing.on("socket", (socket) => this.watchConnect(outgoing, socket));
      outgoing.on("response", (incoming) => {
        if (idleTimeoutMs > 0) {
          incoming.setTimeout(idleTimeoutMs, () =>
            incoming.destroy(new ConnectionError("nothing was said", IDLE_CODE)),
          );
        }
        const { statusCode = 0 } = incoming;
        const answer = new Body(incoming, this.options.maxAnswerBytes ?? Number.POSITIVE_INFINITY);
        resolve({ statusCode, headers: incoming.headers, body: answer });
      });
      outgoing.end(body ?? undefined);
    });
  }

  /** Cuts what is under way. */
  destroy(): void {
    this.agent.destroy();
  }

  private watchConnect(outgoing: ClientRequest, socket: NonNullable<ClientRequest["socket"]>): void {
    if (!socket.connecting) {
      socket.setTimeout(0);
      return;
    }
    const { connectTimeoutMs } = this.options;
    const late = () => outgoing.destroy(new ConnectionError("connecting took too long", "ETIMEDOUT"));
    socket.setTimeout(connectTimeoutMs, late);
    const established = "encrypted" in socket ? "secureConnect" : "connect";
    socket.once(established, () => {
      socket.setTimeout(0);
      socket.off("timeout", late);
    });
  }
}

class Body implements HttpBody {
  private readonly incoming: IncomingMessage;
  private readonly maxBytes: number;

  constructor(incoming: IncomingMessage, maxBytes: number) {
    this.incoming = incoming;
    this.maxBytes = maxBytes;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.incoming[Symbol.asyncIterator]();
  }

  /** Without the async iterator, whose promises cost more than the rest of a small answer. */
  text(): Promise<string> {
    const { incoming, maxBytes } = this;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let size = 0;
      incoming.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        size += chunk.length;
        if (size > maxBytes) incoming.destroy(new ConnectionError(`an answer exceeds ${maxBytes} bytes`, "EMSGSIZE"));
      });
      incoming.once("error", reject);
      incoming.once("end", () => resolve((chunks.length === 1 ? chunks[0] : Buffer.concat(chunks))?.toString() ?? ""));
    });
  }

  destroy(): void {
    this.incoming.destroy();
  }
}

// One context for all connections: each of its own would keep the parsed certificates and the key once more.
function tlsSettings({ ca, cert, key, servername, rejectUnauthorized }: TlsOptions) {
  return {
    secureContext: createSecureContext({ ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) }),
    ...(servername ? { servername } : {}),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  };
}

function withLength(headers: OutgoingHttpHeaders, body: HttpRequest["body"]): OutgoingHttpHeaders {
  if (body === null) return headers;
  return { ...headers, "content-length": Buffer.byteLength(body) };
}

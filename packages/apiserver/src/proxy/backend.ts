// Connections to what a request is passed on to: a kubelet, a pod, a service's endpoint.

import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent as HttpAgent, request as httpRequest } from "node:http";
import type { Http2ServerRequest } from "node:http2";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import type { Duplex } from "node:stream";
import { ApiError } from "@skiff/api/errors.ts";
import type { HeaderMap } from "./rebuild-headers.ts";
import { type HttpTracer, traceCall } from "./trace-call.ts";

/** PEM texts with which the apiserver shows itself to kubelets. */
export interface KubeletTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** How far a backend is trusted: `kubelet` verifies it and shows a certificate, `any` takes whoever answers. */
export type Trust = "kubelet" | "kubelet-unverified" | "any";

/** One address and what to ask for there. */
export interface BackendTarget {
  readonly protocol: "http" | "https";
  readonly host: string;
  readonly port: number;
  /** With query. */
  readonly path: string;
  readonly trust: Trust;
}

/** What is sent; the body is passed on as it comes. */
export interface BackendRequest {
  readonly method: string;
  readonly headers: HeaderMap;
  readonly body?: IncomingMessage | Http2ServerRequest | undefined;
  readonly signal: AbortSignal;
}

/** Either an ordinary answer, or a connection that now belongs to whoever asked for the upgrade. */
export type BackendAnswer =
  | { readonly kind: "response"; readonly response: IncomingMessage }
  | { readonly kind: "upgraded"; readonly response: IncomingMessage; readonly socket: Duplex; readonly head: Buffer };

// Log streams keep their connections for long; these bound only the idle ones.
const MAX_IDLE_CONNECTIONS = 32;
/** For connecting alone: answers may take as long as they like. */
const CONNECT_TIMEOUT_MS = 30_000;

/**
 * Keeps connections to kubelets open: most requests are for the same few nodes. Three pools, so that a connection that
 * was verified is never shared with one that was not.
 */
export class BackendPool implements Disposable {
  private readonly tls: KubeletTls;
  private readonly tracer: HttpTracer | undefined;
  private readonly plain = new HttpAgent(AGENT_OPTIONS);
  private readonly secure: Readonly<Record<Trust, HttpsAgent>>;

  constructor(tls: KubeletTls, tracer?: HttpTracer) {
    this.tls = tls;
    this.tracer = tracer;
    const client = { cert: tls.cert, key: tls.key };
    this.secure = {
      kubelet: new HttpsAgent({ ...AGENT_OPTIONS, ...client, ca: tls.ca }),
      "kubelet-unverified": new HttpsAgent({ ...AGENT_OPTIONS, ...client, rejectUnauthorized: false }),
      any: new HttpsAgent({ ...AGENT_OPTIONS, rejectUnauthorized: false }),
    };
  }

  [Symbol.dispose](): void {
    this.plain.destroy();
    for (const agent of Object.values(this.secure)) agent.destroy();
  }

  /** Resolves with the head of the answer. Rejects with the words of `reachError` when nobody answers. */
  send(target: BackendTarget, request: BackendRequest): Promise<BackendAnswer> {
    const isUpgrade = request.headers.upgrade !== undefined;
    const { promise, resolve, reject } = Promise.withResolvers<BackendAnswer>();
    const traced = traceCall(this.tracer, target, request);
    const outgoing = this.open(target, { ...request, headers: traced.headers }, isUpgrade);
    outgoing.once("response", (response) => {
      traced.answered(response, false);
      resolve({ kind: "response", response });
    });
    outgoing.once("upgrade", (response, socket, head) => {
      traced.answered(response, true);
      resolve({ kind: "upgraded", response, socket, head });
    });
    outgoing.on("error", (error) => {
      traced.failed(error);
      reject(error);
    });
    outgoing.setTimeout(CONNECT_TIMEOUT_MS, () => {
      if (!outgoing.socket || outgoing.socket.connecting) outgoing.destroy(new Error(`i/o timeout`));
    });
    if (request.body) {
      request.body.once("error", (error: Error) => outgoing.destroy(error));
      request.body.pipe(outgoing);
    } else outgoing.end();
    return promise;
  }

  private open(target: BackendTarget, request: BackendRequest, isUpgrade: boolean): ClientRequest {
    const host = target.host.includes(":") ? `[${target.host}]` : target.host;
    const options = {
      host: target.host,
      port: target.port,
      path: target.path,
      method: request.method,
      headers: { ...request.headers, host: `${host}:${target.port}` },
      signal: request.signal,
    };
    if (target.protocol === "http") return httpRequest({ ...options, agent: isUpgrade ? false : this.plain });
    const agent = this.secure[target.trust];
    if (!isUpgrade) return httpsRequest({ ...options, agent });
    // An upgraded connection serves nobody else, so it is opened outside the pool.
    const client = target.trust === "any" ? {} : { cert: this.tls.cert, key: this.tls.key };
    const verified = target.trust === "kubelet" ? { ca: this.tls.ca } : { rejectUnauthorized: false };
    return httpsRequest({ ...options, ...client, ...verified, agent: false });
  }
}

const AGENT_OPTIONS = { keepAlive: true, maxFreeSockets: MAX_IDLE_CONNECTIONS, timeout: 0 } as const;

/** Go's words for why nobody answered, which users of upstream know: `dial tcp 10.0.0.1:80: connect: connection refused`. */
export function dialText(error: unknown, { host, port }: Pick<BackendTarget, "host" | "port">): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const address = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const known = DIAL_WORDS[code ?? ""];
  return known ? `dial tcp ${address}: ${known}` : message;
}

const DIAL_WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  ETIMEDOUT: "i/o timeout",
  ECONNRESET: "connection reset by peer",
};

/** A kubelet that cannot be reached: an error without reason, as upstream answers. */
export function kubeletError(method: string, target: BackendTarget, error: unknown): ApiError {
  const host = target.host.includes(":") ? `[${target.host}]` : target.host;
  const url = `${target.protocol}://${host}:${target.port}${target.path}`;
  const verb = `${method.charAt(0)}${method.slice(1).toLowerCase()}`;
  return new ApiError(500, "", `${verb} ${JSON.stringify(url)}: ${dialText(error, target)}`, undefined, {
    cause: error,
  });
}

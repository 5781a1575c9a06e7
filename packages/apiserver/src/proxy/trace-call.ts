// The span of a call to a kubelet or a proxied server, and the header by which that joins the trace.
import type { IncomingMessage } from "node:http";
import type { BackendRequest, BackendTarget } from "./backend.ts";
import type { HeaderMap } from "./rebuild-headers.ts";

/** What of the tracing of requests a call to another server needs. */
export interface HttpTracer {
  /** Undefined outside of requests. */
  outgoing(
    name: string,
    attributes: Readonly<Record<string, string | number>>,
  ): { readonly traceparent: string; end(error?: unknown, more?: Readonly<Record<string, number>>): void } | undefined;
}

/** One call: its headers with those of the trace, and what to say of its end. */
export interface TracedCall {
  readonly headers: HeaderMap;
  answered(response: IncomingMessage, isUpgraded: boolean): void;
  failed(error: unknown): void;
}

export function traceCall(tracer: HttpTracer | undefined, target: BackendTarget, request: BackendRequest): TracedCall {
  const { protocol, host, port, path } = target;
  const span = tracer?.outgoing(`HTTP ${request.method}`, {
    "http.request.method": request.method,
    "server.address": host,
    "server.port": port,
    // Without the query: it holds the command of an exec with whatever secrets are in it.
    "url.full": `${protocol}://${host.includes(":") ? `[${host}]` : host}:${port}${path.split("?", 1)[0]}`,
  });
  if (!span) return { headers: request.headers, answered() {}, failed() {} };
  return {
    // In place of the client's own, whose parent this call is not.
    headers: { ...request.headers, traceparent: [span.traceparent] },
    answered(response, isUpgraded) {
      const code = response.statusCode ?? 0;
      const end = () =>
        span.end(code >= 400 ? `answered with ${code}` : undefined, { "http.response.status_code": code });
      // What an upgraded connection brings is a conversation and no answer.
      if (isUpgraded) end();
      else response.once("close", end);
    },
    failed: (error) => span.end(error),
  };
}

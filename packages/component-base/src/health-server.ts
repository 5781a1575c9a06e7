// Health and metrics over HTTP or HTTPS: /healthz, /livez, /readyz (with ?verbose and ?exclude and /NAME), /metrics, /metrics/slis.

import type { IncomingMessage, RequestListener, Server, ServerResponse } from "node:http";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type HealthCheck, HealthMetrics, runChecks } from "./health-checks.ts";
import type { Logger } from "./logger.ts";
import type { MetricsRegistry } from "./metrics.ts";

export interface HealthServerOptions {
  readonly host: string;
  readonly port: number;
  /** PEM texts; plain HTTP when absent. `ca` signs the certificates of clients; without it none is asked for. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string };
  readonly checks: readonly HealthCheck[];
  /** Served at /metrics; 404 when absent. */
  readonly metrics?: MetricsRegistry;
  /**
   * Decides about every path but health, which probes ask without credentials (upstream's --authorization-always-allow-paths);
   * all are allowed when absent. Returns an HTTP status, 200 to go on.
   */
  readonly authorize?: (request: IncomingMessage, path: string) => Promise<number>;
  /** Further paths of the program, such as /configz. */
  readonly routes?: Readonly<Record<string, (request: IncomingMessage, response: ServerResponse) => void>>;
}

const HEALTH_ROOTS = ["/healthz", "/livez", "/readyz"];

/** Listens until disposed; rejects when the port cannot be had. */
export async function serveHealth(options: HealthServerOptions, deps: { log: Logger }): Promise<AsyncDisposable> {
  const slis = new HealthMetrics();
  const listener: RequestListener = (request, response) => {
    answer(options, request, response, { ...deps, slis }).catch((error) => {
      deps.log.error({ err: error, path: request.url }, "health request failed");
      if (!response.headersSent) response.writeHead(500).end();
    });
  };
  // Callers without a certificate go on to `authorize`, which may take a token. Without a CA of ours Node would trust the public
  // ones, and whoever buys a certificate could name himself as he likes: then no certificate is asked for.
  const server: Server = options.tls
    ? createHttpsServer(
        { ...options.tls, requestCert: options.tls.ca !== undefined, rejectUnauthorized: false },
        listener,
      )
    : createHttpServer(listener);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      // Keep-alive connections of scrapers would hold `close` up for as long as they like.
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function answer(
  options: HealthServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  { log, slis }: { readonly log: Logger; readonly slis: HealthMetrics },
): Promise<void> {
  // A path that is none (`//`) is the caller's mistake, and nothing that an operator should read about.
  const url = URL.parse(request.url ?? "/", "http://health");
  if (!url) return void response.writeHead(400, TEXT).end("400 bad request\n");
  const root = HEALTH_ROOTS.find((path) => url.pathname === path || url.pathname.startsWith(`${path}/`));
  if (root) return answerHealth(options.checks, root, url, response, { log, slis });
  const status = (await options.authorize?.(request, url.pathname)) ?? 200;
  if (status !== 200) return void response.writeHead(status, TEXT).end(status === 401 ? "Unauthorized" : "Forbidden");
  if (options.metrics && (url.pathname === "/metrics" || url.pathname === "/metrics/slis")) {
    const registry = url.pathname === "/metrics" ? options.metrics : slis.registry;
    return void response.writeHead(200, { "content-type": "text/plain; version=0.0.4" }).end(registry.render());
  }
  const route = options.routes?.[url.pathname];
  if (route) return route(request, response);
  response.writeHead(404, TEXT).end("404 page not found\n");
}

const TEXT = { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" };

async function answerHealth(
  checks: readonly HealthCheck[],
  root: string,
  url: URL,
  response: ServerResponse,
  { log, slis }: { readonly log: Logger; readonly slis: HealthMetrics },
): Promise<void> {
  const name = url.pathname.slice(root.length + 1);
  const wanted = name ? checks.filter((check) => check.name === name) : checks;
  if (name && wanted.length === 0) return void response.writeHead(404, TEXT).end("404 page not found\n");
  const verdict = root.slice(1);
  const note = (check: string, ok: boolean) => slis.record(verdict, check, ok);
  const { healthy, lines, failures } = await runChecks(wanted, url.searchParams.getAll("exclude"), note);
  // Anybody may ask for health, so the reasons go to the log alone.
  for (const [check, error] of failures) log.info({ check, err: error }, "health check failed");
  if (!healthy) return void response.writeHead(500, TEXT).end(`${lines.join("\n")}\n${verdict} check failed\n`);
  const verbose = url.searchParams.has("verbose");
  response.writeHead(200, TEXT).end(verbose ? `${lines.join("\n")}\n${verdict} check passed\n` : "ok");
}

// The scheduler's two ports: HTTPS for callers whom the apiserver vouches for, HTTP on loopback.
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { DelegatedAuth } from "@skiff/client/delegated-auth.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import { serveHealth } from "@skiff/component-base/health-server.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import type { SchedulerConfig } from "./config.ts";
import type { DecisionLog } from "./decision-log.ts";

/** That it answers is all there is to say: a standby is as healthy as the leader. */
const CHECKS = [{ name: "ping", check() {} }];

/** Serves until disposed; rejects when a port cannot be had or a file cannot be read. */
export async function servePorts(
  config: SchedulerConfig,
  parts: { readonly client: RestClient; readonly decisions: DecisionLog },
  context: ProgramContext,
): Promise<AsyncDisposable> {
  await using servers = new AsyncDisposableStack();
  const { clock, log, metrics, signal } = context;
  if (config.port) {
    servers.use(await serveHealth({ host: "127.0.0.1", port: config.port, checks: CHECKS, metrics }, { log }));
  }
  if (config.secure) {
    const { host, port, certFile, keyFile, clientCaFile } = config.secure;
    const [cert, key, ca] = await Promise.all([certFile, keyFile, clientCaFile].map((path) => readFile(path, "utf8")));
    const auth = new DelegatedAuth(parts.client, {}, { clock, log });
    const options = {
      host,
      port,
      tls: { cert: cert ?? "", key: key ?? "", ca: ca ?? "" },
      checks: CHECKS,
      metrics,
      authorize: (request: IncomingMessage, path: string) => auth.authorizePath(request, path, signal),
      routes: {
        "/debug/explain": (request: IncomingMessage, response: ServerResponse) =>
          explain(request, response, parts.decisions),
      },
    };
    servers.use(await serveHealth(options, { log }));
  }
  // Disposes nothing here; a throw above closes the port that was opened first.
  return servers.move();
}

/** GET /debug/explain?pod=NAMESPACE/NAME */
function explain(request: IncomingMessage, response: ServerResponse, decisions: DecisionLog): void {
  const pod = new URL(request.url ?? "/", "http://scheduler").searchParams.get("pod") ?? "";
  const explanation = decisions.explain(pod);
  if (!explanation) {
    response
      .writeHead(404, { "content-type": "text/plain; charset=utf-8" })
      .end(`no recent decision about pod "${pod}"\n`);
    return;
  }
  response.writeHead(200, { "content-type": "application/json" }).end(`${JSON.stringify(explanation)}\n`);
}

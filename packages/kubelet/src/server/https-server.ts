// The routes of the kubelet's HTTPS API; every request is authorized before its route is looked at.
import type { IncomingMessage } from "node:http";
import type { ServerOptions } from "node:https";
import { authorizeRequest } from "./authorize.ts";
import { checkpointHandler } from "./checkpoint-container.ts";
import type { KubeletServerDeps, KubeletServerOptions } from "./deps.ts";
import { DEBUGGING_REFUSED, HttpError } from "./http-error.ts";
import { containerLogsHandler } from "./logs/serve-container-logs.ts";
import { runningPodList } from "./pod-lists.ts";
import type { App, ServedDeps } from "./read-routes.ts";
import { addReadRoutes, answerErrors, countRequests, makeApp } from "./read-routes.ts";
import { runHandler } from "./run-in-container.ts";
import { isStreamPath } from "./streams/stream-target.ts";
import { LOGS_REFUSED, systemLogsHandler } from "./system-logs.ts";

/** Not listening yet. `stop` ends what streams. */
export function createServer(options: KubeletServerOptions, deps: ServedDeps, stop: AbortSignal): App {
  const app = makeApp(tlsOptions(options.tls));
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-content-type-options", "nosniff");
    await authorizeRequest(request.raw, options.nodeName, deps, stop);
  });
  countRequests(app, "readwrite", deps.requests);
  answerErrors(app, deps);
  addReadRoutes(app, options, deps);
  if (options.hasDebuggingHandlers === false) refuseContainers(app);
  else addContainers(app, options, deps, stop);
  return app;
}

/**
 * Unknown client certificates do not end the handshake: the caller may have a token, or be refused with a 401 that
 * says so.
 */
export function tlsOptions({ cert, key, clientCa, minVersion, ciphers }: KubeletServerOptions["tls"]): ServerOptions {
  return {
    cert,
    key,
    ...(minVersion ? { minVersion } : {}),
    ...(ciphers ? { ciphers } : {}),
    // Without a CA of ours Node would trust any public one, so then none is asked for.
    ...(clientCa ? { ca: clientCa, requestCert: true, rejectUnauthorized: false } : {}),
    // Offers of other protocols (h2c) are ignored, as RFC 9110 allows.
    shouldUpgradeCallback: (request: IncomingMessage) => isStreamPath(request.url ?? ""),
  };
}

/** What is there to look into, or to act in. */
const DEBUGGING = ["run", "exec", "attach", "portForward", "containerLogs", "runningpods", "debug/pprof", "logs"];

function refuseContainers(app: App): void {
  const handler = () => {
    throw new HttpError(405, DEBUGGING_REFUSED);
  };
  for (const root of DEBUGGING) app.route({ method: ["GET", "POST"], url: `/${root}/*`, handler });
}

function refuseLogs(): never {
  throw new HttpError(405, LOGS_REFUSED);
}

/** What looks into containers, or acts in them. */
function addContainers(app: App, options: KubeletServerOptions, deps: KubeletServerDeps, stop: AbortSignal): void {
  app.get("/configz", () => ({ kubeletconfig: deps.configz() }));
  for (const path of ["/runningpods", "/runningpods/"]) app.get(path, () => runningPodList(deps.runtime));
  app.get("/containerLogs/:namespace/:pod/:container", containerLogsHandler(options, deps, stop));
  app.post("/run/:namespace/:pod/:container", runHandler(deps));
  app.post("/run/:namespace/:pod/:uid/:container", runHandler(deps));
  app.post("/checkpoint/:namespace/:pod/:container", checkpointHandler(options, deps));
  app.get("/logs/*", options.systemLogDir === undefined ? refuseLogs : systemLogsHandler(options.systemLogDir));
  // Those with an Upgrade header never come here.
  for (const root of ["exec", "attach", "portForward"]) {
    app.route({
      method: ["GET", "POST"],
      url: `/${root}/*`,
      handler: () => {
        throw new HttpError(400, "Upgrade request required");
      },
    });
  }
}

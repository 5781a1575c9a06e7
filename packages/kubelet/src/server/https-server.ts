// The routes of the kubelet's HTTPS API; every request is authorized before its route is looked at.
import type { IncomingMessage } from "node:http";
import { runChecks } from "@skiff/component-base/health-server.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { fastify } from "fastify";
import { authorizeRequest, pathOf } from "./authorize.ts";
import type { KubeletServerDeps, KubeletServerOptions } from "./deps.ts";
import { HttpError } from "./http-error.ts";
import { containerLogsHandler } from "./logs/serve-container-logs.ts";
import { podList, runningPodList } from "./pod-lists.ts";
import { runHandler } from "./run-in-container.ts";
import { CpuRates } from "./stats/cpu-rates.ts";
import { PodVolumes } from "./stats/pod-volumes.ts";
import { renderResourceMetrics } from "./stats/resource-metrics.ts";
import { summarize } from "./stats/summary.ts";
import { readUsage } from "./stats/usage.ts";
import { isStreamPath } from "./streams/stream-target.ts";

type App = ReturnType<typeof makeApp>;

const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Not listening yet. `stop` ends what streams. */
export function createServer(options: KubeletServerOptions, deps: KubeletServerDeps, stop: AbortSignal): App {
  const app = makeApp(options.tls);
  app.addHook("onRequest", async (request, reply) => {
    reply.header("x-content-type-options", "nosniff");
    await authorizeRequest(request.raw, options.nodeName, deps, stop);
  });
  countRequests(app, deps.metrics);
  app.setErrorHandler((error: FastifyError | HttpError, request, reply) => sendError(error, request, reply, deps));
  app.setNotFoundHandler((_request, reply) => sendText(reply, 404, "404 page not found\n"));
  addHealth(app, deps);
  addPods(app, options, deps, stop);
  addMetrics(app, options, deps);
  return app;
}

function makeApp({ cert, key, clientCa }: KubeletServerOptions["tls"]) {
  return fastify({
    https: {
      cert,
      key,
      // Without a CA of ours Node would trust any public one, so then none is asked for.
      ...(clientCa ? { ca: clientCa, requestCert: true, rejectUnauthorized: false } : {}),
      // Offers of other protocols (h2c) are ignored, as RFC 9110 allows.
      shouldUpgradeCallback: (request: IncomingMessage) => isStreamPath(request.url ?? ""),
    },
    // For the request alone; answers may stream for hours.
    requestTimeout: 60_000,
    routerOptions: { maxParamLength: 1024 },
    exposeHeadRoutes: false,
    schemaController: { compilersFactory: NO_SCHEMAS },
  });
}

// No route has a schema. Without these, fastify loads ajv and a compiler of serializers, which it then never uses: 2 MB.
const NO_SCHEMAS = { buildValidator: refuseSchema, buildSerializer: refuseSchema };

function refuseSchema(): never {
  throw new Error("routes of the kubelet have no schemas");
}

function sendError(
  error: FastifyError | HttpError,
  request: FastifyRequest,
  reply: FastifyReply,
  { log }: Pick<KubeletServerDeps, "log">,
): FastifyReply {
  if (error instanceof HttpError) return sendText(reply, error.status, `${error.message}\n`);
  const status = error.statusCode ?? 500;
  if (status >= 500) log.error({ err: error, path: pathOf(request.url) }, "request failed");
  return sendText(reply, status, `${error.message}\n`);
}

function sendText(reply: FastifyReply, status: number, text: string): FastifyReply {
  return reply.code(status).type("text/plain; charset=utf-8").send(text);
}

function addHealth(app: App, { checks = [], configz }: KubeletServerDeps): void {
  app.get("/healthz", async (_request, reply) => {
    const { healthy, lines } = await runChecks(checks);
    return healthy ? sendText(reply, 200, "ok") : sendText(reply, 500, `${lines.join("\n")}\nhealthz check failed\n`);
  });
  app.get("/configz", () => ({ kubeletconfig: configz() }));
}

function addPods(app: App, options: KubeletServerOptions, deps: KubeletServerDeps, stop: AbortSignal): void {
  app.get("/pods", () => podList(deps.pods));
  for (const path of ["/runningpods", "/runningpods/"]) app.get(path, () => runningPodList(deps.runtime));
  app.get("/containerLogs/:namespace/:pod/:container", containerLogsHandler(options, deps, stop));
  app.post("/run/:namespace/:pod/:container", runHandler(deps));
  app.post("/run/:namespace/:pod/:uid/:container", runHandler(deps));
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

function addMetrics(app: App, options: KubeletServerOptions, deps: KubeletServerDeps): void {
  const rates = new CpuRates();
  const volumes = new PodVolumes(options.rootDir ?? "/", deps.clock);
  app.get("/metrics", (_request, reply) => reply.type(METRICS_TYPE).send(deps.metrics.render()));
  app.get("/metrics/resource", async (_request, reply) =>
    reply.type(METRICS_TYPE).send(renderResourceMetrics(await readUsage(deps))),
  );
  app.get("/metrics/cadvisor", async (_request, reply) => {
    const { cadvisorMetrics } = await import("./stats/cadvisor-metrics.ts");
    return reply.type(METRICS_TYPE).send(await cadvisorMetrics(deps));
  });
  const { probeMetrics } = deps;
  if (probeMetrics) {
    app.get("/metrics/probes", (_request, reply) => reply.type(METRICS_TYPE).send(probeMetrics.render()));
  }
  app.get<{ Querystring: Record<string, string> }>("/stats/summary", async (request) =>
    summarize(
      options,
      await readUsage(deps),
      { rates, volumes },
      {
        cpuAndMemoryOnly: request.query.only_cpu_and_memory === "true",
      },
      deps,
    ),
  );
}

function countRequests(app: App, metrics: MetricsRegistry): void {
  const total = metrics.counter(
    "kubelet_http_requests_total",
    "Number of the http requests received since the server started",
  );
  app.addHook("onResponse", async (request) => {
    // The first part only: names of pods would make as many series.
    const path = (request.routeOptions.url ?? "other").split("/")[1] ?? "";
    const longRunning = path === "containerLogs" || path === "run";
    total.inc({ method: request.method, path, server_type: "readwrite", long_running: String(longRunning) });
  });
}

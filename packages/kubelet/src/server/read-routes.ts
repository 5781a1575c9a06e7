// The routes that only tell about the node and its pods, which port 10250 and the read-only port share.
import type { ServerOptions } from "node:https";
import { runChecks } from "@skiff/component-base/health-checks.ts";
import type { Counter, MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { FastifyError, FastifyReply, FastifyRequest } from "fastify";
import { fastify } from "fastify";
import { pathOf } from "./authorize.ts";
import type { KubeletServerDeps, KubeletServerOptions } from "./deps.ts";
import { HttpError } from "./http-error.ts";
import { podList } from "./pod-lists.ts";
import { ClaimMetrics } from "./stats/claim-metrics.ts";
import { CpuRates } from "./stats/cpu-rates.ts";
import { PodVolumes } from "./stats/pod-volumes.ts";
import { renderResourceMetrics } from "./stats/resource-metrics.ts";
import { summarize } from "./stats/summary.ts";
import { readUsage } from "./stats/usage.ts";

/** With the counter that all ports share. */
export type ServedDeps = KubeletServerDeps & { readonly requests: Counter };

/** A fastify server, with TLS or without. */
export type App = ReturnType<typeof makeApp>;

/** Prometheus' text format. */
const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Health, pods, figures. */
export function addReadRoutes(app: App, options: KubeletServerOptions, deps: KubeletServerDeps): void {
  addHealth(app, deps);
  app.get("/pods", () => podList(deps.pods));
  addMetrics(app, options, deps);
}

// No route has a schema. Without these, fastify loads ajv and a compiler of serializers, which it then never uses: 2 MB.
const NO_SCHEMAS = { buildValidator: refuseSchema, buildSerializer: refuseSchema };

function refuseSchema(): never {
  throw new Error("routes of the kubelet have no schemas");
}

/** An exec has its whole command in the URL, and one word of it may be 128 KiB long. */
const MAX_HEAD_BYTES = 256 * 1024;

/** A server without routes; without TLS where `https` is null. */
export function makeApp(https: ServerOptions | null) {
  return fastify({
    https: https && { ...https, maxHeaderSize: MAX_HEAD_BYTES },
    // For the request alone; answers may stream for hours.
    requestTimeout: 60_000,
    routerOptions: { maxParamLength: 1024 },
    exposeHeadRoutes: false,
    schemaController: { compilersFactory: NO_SCHEMAS },
  });
}

/** Errors are told as plain text, as upstream tells them. */
export function answerErrors(app: App, deps: Pick<KubeletServerDeps, "log">): void {
  app.setErrorHandler((error: FastifyError | HttpError, request, reply) => sendError(error, request, reply, deps));
  app.setNotFoundHandler((_request, reply) => sendText(reply, 404, "404 page not found\n"));
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

function addHealth(app: App, { checks = [] }: Pick<KubeletServerDeps, "checks">): void {
  // Supervisors ask with HEAD, which upstream answers as it does GET.
  app.get("/healthz", { exposeHeadRoute: true }, async (_request, reply) => {
    const { healthy, lines } = await runChecks(checks);
    return healthy ? sendText(reply, 200, "ok") : sendText(reply, 500, `${lines.join("\n")}\nhealthz check failed\n`);
  });
}

function addMetrics(app: App, options: KubeletServerOptions, deps: KubeletServerDeps): void {
  const rates = new CpuRates();
  const volumes = new PodVolumes(options.rootDir ?? "/", deps, options.volumeStatsMs);
  const { pods, metrics, clock } = deps;
  const claims = new ClaimMetrics({ pods, volumes, clock });
  app.get("/metrics", async (_request, reply) =>
    reply.type(METRICS_TYPE).send(metrics.render() + (await claims.render())),
  );
  app.get("/metrics/resource", async (_request, reply) =>
    reply.type(METRICS_TYPE).send(renderResourceMetrics(await readUsage(deps))),
  );
  app.get("/metrics/cadvisor", (_request, reply) => sendContainerMetrics(reply, deps));
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

/** What cAdvisor tells of the machine's cgroups; loaded with the first question. */
export async function sendContainerMetrics(reply: FastifyReply, deps: KubeletServerDeps): Promise<FastifyReply> {
  const { cadvisorMetrics } = await import("./stats/cadvisor-metrics.ts");
  return reply.type(METRICS_TYPE).send(await cadvisorMetrics(deps));
}

/** Of all ports together. */
export function requestCounter(metrics: MetricsRegistry): Counter {
  const what = "Number of the http requests received since the server started";
  return metrics.counter("kubelet_http_requests_total", what);
}

/** `serverType` is upstream's label: which of the kubelet's ports it was. */
export function countRequests(app: App, serverType: string, total: Counter): void {
  app.addHook("onResponse", async (request) => {
    // The first part only: names of pods would make as many series.
    const path = (request.routeOptions.url ?? "other").split("/")[1] ?? "";
    const longRunning = path === "containerLogs" || path === "run";
    total.inc({ method: request.method, path, server_type: serverType, long_running: String(longRunning) });
  });
}

// /healthz, /livez, /readyz with upstream's checks, /version, /metrics and the list of paths at /.
import { type HealthCheck, HealthMetrics, runChecks } from "@skiff/component-base/health-checks.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { BUILD_DATE, GIT_COMMIT, GIT_TREE_STATE, GIT_VERSION, MAJOR, MINOR } from "@skiff/component-base/version.ts";
import type { Answer, PathHandler, RequestContext } from "./endpoint.ts";

const TEXT = "text/plain; charset=utf-8";

/** The checks of each path. */
export interface HealthPaths {
  readonly healthz: readonly HealthCheck[];
  readonly livez: readonly HealthCheck[];
  readonly readyz: readonly HealthCheck[];
}

/** The paths, and /metrics/slis which counts what was found. */
export function healthHandlers(checks: HealthPaths, log: Logger): PathHandler[] {
  const slis = new HealthMetrics();
  return [
    ...Object.entries(checks).flatMap(([name, list]) => healthPath(name, list, { log, slis })),
    metricsHandler(slis.registry, "/metrics/slis"),
  ];
}

interface Observers {
  readonly log: Logger;
  readonly slis: HealthMetrics;
}

function healthPath(name: string, checks: readonly HealthCheck[], observers: Observers): PathHandler[] {
  return [
    { path: `/${name}`, handle: (context) => answerAll(name, checks, context, observers) },
    // Each is a path of its own, so that the list at / names them.
    ...checks.map((check) => ({ path: `/${name}/${check.name}`, handle: () => answerOne(check) })),
  ];
}

/** `?exclude=etcd` lets a check out, `?verbose` names each; a failure names them always, without its reason. */
async function answerAll(
  name: string,
  checks: readonly HealthCheck[],
  { query }: RequestContext,
  { log, slis }: Observers,
): Promise<Answer> {
  const note = (check: string, ok: boolean) => slis.record(name, check, ok);
  const { healthy, lines, failures } = await runChecks(checks, query.getAll("exclude"), note);
  // Anybody may ask for health, so the reasons are the log's.
  for (const [check, error] of failures) log.info({ check, path: name, err: error }, "health check failed");
  const text = `${lines.join("\n")}\n${name} check`;
  if (!healthy) return { code: 500, contentType: TEXT, headers: NOSNIFF, bytes: `${text} failed\n` };
  return { code: 200, contentType: TEXT, headers: NOSNIFF, bytes: query.has("verbose") ? `${text} passed\n` : "ok" };
}

/** With its reason: unlike the paths above, these are not for everybody. */
async function answerOne({ check }: HealthCheck): Promise<Answer> {
  try {
    await check();
    return { code: 200, contentType: TEXT, bytes: "ok" };
  } catch (error) {
    const bytes = `internal server error: ${(error as Error).message}\n`;
    return { code: 500, contentType: TEXT, headers: NOSNIFF, bytes };
  }
}

const NOSNIFF = { "x-content-type-options": "nosniff" };

/** What `kubectl version` prints of the server, and clients choose features by. */
export function versionHandler(): PathHandler {
  const object = {
    major: MAJOR,
    minor: MINOR,
    gitVersion: GIT_VERSION,
    gitCommit: GIT_COMMIT,
    gitTreeState: GIT_TREE_STATE,
    buildDate: BUILD_DATE,
    goVersion: `node ${process.version}`,
    compiler: "v8",
    platform: `${process.platform}/${process.arch === "x64" ? "amd64" : process.arch}`,
  };
  return { path: "/version", handle: async () => ({ code: 200, object }) };
}

/** Prometheus' text format. */
export function metricsHandler(metrics: MetricsRegistry, path = "/metrics"): PathHandler {
  const contentType = "text/plain; version=0.0.4; charset=utf-8";
  return { path, handle: async () => ({ code: 200, contentType, bytes: metrics.render() }) };
}

/** What there is, for people with a browser. */
export function indexHandler(handlers: readonly PathHandler[]): PathHandler {
  const paths = [...new Set(handlers.map((handler) => handler.path.replace(/(.)\/$/, "$1")))].sort();
  return { path: "/", handle: async () => ({ code: 200, object: { paths } }) };
}

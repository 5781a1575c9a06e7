// /healthz, /livez, /readyz with upstream's checks, /version, /metrics and the list of paths at /.
import { type HealthCheck, runChecks } from "@skiff/component-base/health-server.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import { BUILD_DATE, GIT_COMMIT, GIT_TREE_STATE, GIT_VERSION, MAJOR, MINOR } from "@skiff/component-base/version.ts";
import type { Answer, PathHandler, RequestContext } from "./endpoint.ts";

const TEXT = "text/plain; charset=utf-8";

/** `live` and `ready` are the checks of /livez and /readyz; /healthz has those of /livez. */
export function healthHandlers(live: readonly HealthCheck[], ready: readonly HealthCheck[]): PathHandler[] {
  return [...healthPath("healthz", live), ...healthPath("livez", live), ...healthPath("readyz", ready)];
}

function healthPath(name: string, checks: readonly HealthCheck[]): PathHandler[] {
  return [
    { path: `/${name}`, handle: (context) => answerAll(name, checks, context) },
    { path: `/${name}/`, handle: (context) => answerOne(name, checks, context) },
  ];
}

/** `?exclude=etcd` lets a check out, `?verbose` names each; a failure names them always, without its reason. */
async function answerAll(name: string, checks: readonly HealthCheck[], context: RequestContext): Promise<Answer> {
  const excluded = new Set(context.query.getAll("exclude"));
  const { healthy, lines } = await runChecks(checks.filter((check) => !excluded.has(check.name)));
  if (!healthy) return { code: 500, contentType: TEXT, bytes: `${lines.join("\n")}\n${name} check failed\n` };
  const verbose = context.query.has("verbose");
  return { code: 200, contentType: TEXT, bytes: verbose ? `${lines.join("\n")}\n${name} check passed\n` : "ok" };
}

async function answerOne(name: string, checks: readonly HealthCheck[], context: RequestContext): Promise<Answer> {
  const wanted = context.info.path.slice(name.length + 2);
  if (wanted === "") return await answerAll(name, checks, context);
  const check = checks.find((known) => known.name === wanted);
  if (!check) return { code: 404, contentType: TEXT, bytes: "404 page not found\n" };
  const { healthy } = await runChecks([check]);
  return healthy
    ? { code: 200, contentType: TEXT, bytes: "ok" }
    : { code: 500, contentType: TEXT, bytes: `internal server error: ${wanted} check failed: reason withheld\n` };
}

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
export function metricsHandler(metrics: MetricsRegistry): PathHandler {
  const contentType = "text/plain; version=0.0.4; charset=utf-8";
  return { path: "/metrics", handle: async () => ({ code: 200, contentType, bytes: metrics.render() }) };
}

/** What there is, for people with a browser. */
export function indexHandler(handlers: readonly PathHandler[]): PathHandler {
  const paths = [...new Set(handlers.map((handler) => handler.path.replace(/(.)\/$/, "$1")))].sort();
  return { path: "/", handle: async () => ({ code: 200, object: { paths } }) };
}

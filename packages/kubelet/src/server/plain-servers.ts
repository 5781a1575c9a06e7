// The ports without TLS and without authentication, off unless asked for: 10255 (read-only) and 4194 (cAdvisor's metrics).
// Whoever reaches them may read what they tell, so they tell nothing of what containers say or hold.
import type { KubeletServerOptions } from "./deps.ts";
import type { App, ServedDeps } from "./read-routes.ts";
import { addReadRoutes, answerErrors, countRequests, makeApp, sendContainerMetrics } from "./read-routes.ts";

/** Not listening yet. */
export function createReadOnlyServer(options: KubeletServerOptions, deps: ServedDeps): App {
  const app = makeApp(null);
  countRequests(app, "readonly", deps.requests);
  answerErrors(app, deps);
  addReadRoutes(app, options, deps);
  return app;
}

/** Not listening yet. */
export function createContainerMetricsServer(_options: KubeletServerOptions, deps: ServedDeps): App {
  const app = makeApp(null);
  countRequests(app, "cadvisor", deps.requests);
  answerErrors(app, deps);
  app.get("/healthz", { exposeHeadRoute: true }, (_request, reply) =>
    reply.type("text/plain; charset=utf-8").send("ok"),
  );
  app.get("/metrics", (_request, reply) => sendContainerMetrics(reply, deps));
  return app;
}

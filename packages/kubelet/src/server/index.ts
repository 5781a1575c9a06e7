// The kubelet's own API: on 10250 by HTTPS logs, exec, attach, port-forward, pods, stats and metrics; read-only ports if asked for.
import type { Server } from "node:http";
import type { KubeletServerDeps, KubeletServerOptions, ServedKubelet } from "./deps.ts";
import { createServer, tlsOptions } from "./https-server.ts";
import type { ServedDeps } from "./read-routes.ts";
import { requestCounter } from "./read-routes.ts";
import { serveUpgrades } from "./streams/serve-upgrades.ts";

export type { KubeletServerDeps, KubeletServerOptions, PodSource, ServedKubelet } from "./deps.ts";

/** Listens until disposed, which also ends every stream; rejects when the port cannot be had. */
export async function serveKubelet(options: KubeletServerOptions, deps: KubeletServerDeps): Promise<ServedKubelet> {
  const served = { ...deps, log: deps.log.child({ part: "server" }), requests: requestCounter(deps.metrics) };
  const stop = new AbortController();
  const app = createServer(options, served, stop.signal);
  const upgrades = serveUpgrades(app.server, options, served, stop.signal);
  await using opened = new AsyncDisposableStack();
  opened.defer(() => close(app));
  opened.defer(() => upgrades[Symbol.dispose]());
  opened.defer(() => stop.abort(new Error("the server is closing")));
  await app.listen({ host: options.address, port: options.port });
  await servePlain(options, served, opened);
  const kept = opened.move();
  return {
    port: listeningPort(app.server),
    useCertificate: (pair) => app.server.setSecureContext(tlsOptions({ ...options.tls, ...pair })),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

/** Nothing of these is loaded on a node that does not ask for them. */
async function servePlain(
  options: KubeletServerOptions,
  deps: ServedDeps,
  opened: AsyncDisposableStack,
): Promise<void> {
  const { address: host, readOnlyPort, cadvisorPort } = options;
  if (!readOnlyPort && !cadvisorPort) return;
  const { createReadOnlyServer, createContainerMetricsServer } = await import("./plain-servers.ts");
  for (const [port, create] of [
    [readOnlyPort, createReadOnlyServer],
    [cadvisorPort, createContainerMetricsServer],
  ] as const) {
    if (!port) continue;
    const app = create(options, deps);
    opened.defer(() => close(app));
    await app.listen({ host, port });
    deps.log.warn({ host, port }, "serving without authentication, as asked");
  }
}

async function close(app: {
  readonly server: Pick<Server, "closeAllConnections">;
  close(): Promise<unknown>;
}): Promise<void> {
  app.server.closeAllConnections();
  await app.close();
}

function listeningPort(server: Pick<Server, "address">): number {
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

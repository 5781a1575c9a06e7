// The kubelet's own HTTPS API on port 10250: logs, exec, attach, port-forward, pods, stats and metrics.
import type { Server } from "node:http";
import type { KubeletServerDeps, KubeletServerOptions } from "./deps.ts";
import { createServer } from "./https-server.ts";
import { serveUpgrades } from "./streams/serve-upgrades.ts";

export type { KubeletServerDeps, KubeletServerOptions, PodSource } from "./deps.ts";

/** Listens until disposed, which also ends every stream; rejects when the port cannot be had. */
export async function serveKubelet(
  options: KubeletServerOptions,
  deps: KubeletServerDeps,
): Promise<AsyncDisposable & { readonly port: number }> {
  const log = deps.log.child({ part: "server" });
  const stop = new AbortController();
  const app = createServer(options, { ...deps, log }, stop.signal);
  const upgrades = serveUpgrades(app.server, options, { ...deps, log }, stop.signal);
  await app.listen({ host: options.address, port: options.port });
  return {
    port: listeningPort(app.server),
    async [Symbol.asyncDispose]() {
      stop.abort(new Error("the server is closing"));
      upgrades[Symbol.dispose]();
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

function listeningPort(server: Pick<Server, "address">): number {
  const address = server.address();
  return typeof address === "object" && address ? address.port : 0;
}

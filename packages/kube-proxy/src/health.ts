// /healthz and /livez as load balancers read them: when the rules were last written, and whether the node still counts.
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:http";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { HostPort } from "./config.ts";
import type { Proxier } from "./proxier.ts";

export interface HealthDeps {
  readonly proxier: Pick<Proxier, "isHealthy" | "lastUpdatedMs">;
  /** False while the node is being deleted, so that load balancers drain it. */
  readonly isNodeEligible: () => boolean;
  readonly clock: Clock;
}

/** Listens until disposed; rejects when the port cannot be had. */
export async function serveProxyHealth(address: HostPort, deps: HealthDeps): Promise<AsyncDisposable> {
  const server = createServer((request, response) => answer(deps, request, response));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(address.port, address.host, resolve);
  });
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(deps: HealthDeps, request: IncomingMessage, response: ServerResponse): void {
  const path = request.url?.split("?")[0];
  if (path !== "/healthz" && path !== "/livez") {
    response.writeHead(404).end();
    return;
  }
  const nodeEligible = deps.isNodeEligible();
  // A node that is going away must fail /healthz (take no new traffic) but not /livez (do not restart the proxy).
  const healthy = deps.proxier.isHealthy && (path === "/livez" || nodeEligible);
  const body = {
    // Upstream's fields; a load balancer reads the status alone, these are for people.
    lastUpdated: new Date(deps.proxier.lastUpdatedMs).toISOString(),
    currentTime: new Date(deps.clock.now()).toISOString(),
    nodeEligible,
  };
  response.writeHead(healthy ? 200 : 503, { "content-type": "application/json", "x-content-type-options": "nosniff" });
  response.end(JSON.stringify(body));
}

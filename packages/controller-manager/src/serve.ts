// The program's two ports: HTTPS for callers whom the apiserver vouches for, HTTP on loopback.
import { readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { loadKubeconfig } from "@skiff/client/config.ts";
import { DelegatedAuth } from "@skiff/client/delegated-auth.ts";
import { RestClient } from "@skiff/client/rest-client.ts";
import { serveHealth } from "@skiff/component-base/health-server.ts";
import type { ProgramContext } from "@skiff/component-base/program.ts";
import type { ControllerManagerConfig } from "./config.ts";

/** That it answers is all there is to say: a standby is as healthy as the leader. */
const CHECKS = [{ name: "ping", check() {} }];

/** Serves until disposed; rejects when a port cannot be had or a file cannot be read. A standby serves as the leader does. */
export async function serve(config: ControllerManagerConfig, program: ProgramContext): Promise<AsyncDisposable> {
  await using servers = new AsyncDisposableStack();
  const { clock, log, metrics, signal } = program;
  const { serving } = config;
  const routes = { "/configz": (_: IncomingMessage, response: ServerResponse) => showConfig(config, response) };
  const common = { checks: CHECKS, metrics, routes };
  if (serving.port) servers.use(await serveHealth({ ...common, host: "127.0.0.1", port: serving.port }, { log }));
  if (!serving.securePort) return servers.move();
  if (!serving.certFile) {
    log.warn("no --tls-cert-file is given, so the HTTPS port is not served");
    return servers.move();
  }
  const read = (path: string) => readFile(path, "utf8");
  const [cert, key] = await Promise.all([read(serving.certFile), read(serving.keyFile)]);
  const ca = serving.clientCaFile ? { ca: await read(serving.clientCaFile) } : {};
  const client = servers.use(
    new RestClient(
      await loadKubeconfig(serving.authKubeconfig),
      { userAgent: "kube-controller-manager/authorizer" },
      { clock, log },
    ),
  );
  const auth = new DelegatedAuth(client, {}, { clock, log });
  const secure = {
    ...common,
    host: serving.bindAddress,
    port: serving.securePort,
    tls: { cert, key, ...ca },
    authorize: (request: IncomingMessage, path: string) => auth.authorizePath(request, path, signal),
  };
  servers.use(await serveHealth(secure, { log }));
  return servers.move();
}

/** What the flags came to. The configuration names files and holds no secret; the CA is public but long. */
function showConfig({ rootCa: _, ...config }: ControllerManagerConfig, response: ServerResponse): void {
  const body = { "kubecontrollermanager.config.k8s.io": config };
  response.writeHead(200, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

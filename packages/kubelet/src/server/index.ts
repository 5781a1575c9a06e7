// The kubelet's own HTTPS API on port 10250: logs, exec, attach, port-forward, pods, stats and metrics.
import type { FastifyInstance } from "fastify";
import type { Pod } from "@skiff/api/types.ts";
import type { DelegatedAuth } from "@skiff/client/delegated-auth.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { MetricsRegistry } from "@skiff/component-base/metrics.ts";
import type { CgroupFs } from "../cgroups/cgroup-fs.ts";
import type { PodCgroups } from "../cgroups/pod-cgroups.ts";
import type { CriClient } from "../cri/cri-client.ts";
import type { RuntimeReader } from "../runtime/runtime-reader.ts";
import { createServer } from "./https-server.ts";
import { handleUpgrades } from "./upgrades.ts";

export interface KubeletServerOptions {
  readonly address: string;
  readonly port: number;
  /** PEM texts. Without `clientCa` no client certificate is asked for, and tokens alone count. */
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCa?: string | undefined };
  /** Where the logs of pods lie, such as /var/log/pods. */
  readonly podLogDir: string;
  readonly nodeName: string;
}

/** The pods of this node as the kubelet knows them, with the newest status that it has worked out for each. */
export interface PodSource {
  list(): readonly Readonly<Pod>[];
  /** With `uid` only a pod of that UID is found. */
  find(namespace: string, name: string, uid?: string): Readonly<Pod> | undefined;
}

export interface KubeletServerDeps {
  readonly pods: PodSource;
  readonly cri: Pick<
    CriClient,
    "containerStatus" | "exec" | "attach" | "portForward" | "execSync" | "listContainerStats" | "imageFsInfo"
  >;
  readonly runtime: Pick<RuntimeReader, "read" | "list">;
  readonly cgroups: Pick<CgroupFs, "read">;
  readonly podCgroups: Pick<PodCgroups, "path" | "kubepods">;
  readonly auth: Pick<DelegatedAuth, "authorize">;
  readonly metrics: MetricsRegistry;
  /** Of probe results, at /metrics/probes; without it that path is not there. */
  readonly probeMetrics?: MetricsRegistry;
  readonly clock: Clock;
  readonly log: Logger;
  /** The running configuration as /configz shows it under `kubeletconfig`. */
  readonly configz: () => object;
}

/** Listens until disposed, which also ends every stream; rejects when the port cannot be had. */
export async function serveKubelet(
  options: KubeletServerOptions,
  deps: KubeletServerDeps,
): Promise<AsyncDisposable & { readonly port: number }> {
  const log = deps.log.child({ part: "server" });
  const app = createServer(options, { ...deps, log });
  const upgrades = handleUpgrades(app.server, { ...deps, log });
  await app.listen({ host: options.address, port: options.port });
  return {
    port: listeningPort(app),
    async [Symbol.asyncDispose]() {
      upgrades[Symbol.dispose]();
      app.server.closeAllConnections();
      await app.close();
    },
  };
}

function listeningPort(app: FastifyInstance): number {
  const address = app.server.address();
  return typeof address === "object" && address ? address.port : 0;
}

// GET /containerLogs/NAMESPACE/POD/CONTAINER: finds the log file and streams it as fast as the client reads.
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Pod } from "@skiff/api/types.ts";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { CriClient } from "../../cri/cri-client.ts";
import { isCriNotFound } from "../../cri/cri-client.ts";
import type { RuntimeContainer } from "../../runtime/runtime-pod.ts";
import type { KubeletServerDeps, KubeletServerOptions } from "../deps.ts";
import { HttpError } from "../http-error.ts";
import { findPod, requireContainer } from "../pod-lookup.ts";
import { chooseLogContainer } from "./choose-container.ts";
import { parseLogOptions } from "./log-options.ts";
import { readLog } from "./read-log.ts";

/** Of the path. */
export interface LogParams {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

type Deps = Pick<KubeletServerDeps, "pods" | "runtime" | "cri" | "clock" | "log">;

/** The handler of the route; ends streams when the client leaves or `stop` aborts. */
export function containerLogsHandler(options: Pick<KubeletServerOptions, "podLogDir">, deps: Deps, stop: AbortSignal) {
  return async (request: FastifyRequest<{ Params: LogParams }>, reply: FastifyReply): Promise<void> => {
    const { namespace, pod: name, container } = request.params;
    const query = new URL(request.url, "http://kubelet").searchParams;
    const wanted = parseLogOptions(query, deps.clock.now());
    const pod = findPod(deps.pods, namespace, name);
    requireContainer(pod, container);
    const { pod: runtime } = await deps.runtime.read(pod.metadata.uid ?? "");
    const chosen = chooseLogContainer(pod, runtime, container, wanted.previous);
    // A runtime that does not tell the path writes where it was told to.
    const path = chosen.logPath || defaultLogPath(options.podLogDir, pod, chosen);
    const signal = AbortSignal.any([stop, closed(reply)]);
    const isRunning = () => isContainerRunning(deps.cri, chosen.id);
    const log = await readLog({ ...wanted, path }, { isRunning, clock: deps.clock }, signal).catch((error) => {
      throw new HttpError(400, `failed to open the log of container "${container}": ${(error as Error).message}`);
    });
    reply.hijack();
    // Sent at once: a follower of a silent container waits for its answer, not for the first line.
    reply.raw.writeHead(200, { "content-type": "text/plain; charset=utf-8" }).flushHeaders();
    await pipeline(Readable.from(log, { objectMode: false }), reply.raw, { signal }).catch((error) => {
      if (!signal.aborted) deps.log.warn({ err: error, pod: `${namespace}/${name}`, container }, "log stream broke");
      reply.raw.destroy();
    });
  };
}

function closed(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once("close", () => controller.abort(new Error("the client has gone")));
  return controller.signal;
}

function defaultLogPath(root: string, pod: Readonly<Pod>, { name, restartCount }: RuntimeContainer): string {
  const { namespace, name: podName, uid } = pod.metadata;
  return join(root, `${namespace}_${podName}_${uid}`, name, `${restartCount}.log`);
}

async function isContainerRunning(cri: Pick<CriClient, "containerStatus">, id: string): Promise<boolean> {
  try {
    return (await cri.containerStatus(id)).state === "CONTAINER_RUNNING";
  } catch (error) {
    // While the runtime restarts, its containers run on.
    return !isCriNotFound(error);
  }
}

// POST /checkpoint/NAMESPACE/POD/CONTAINER?timeout=…: lets the runtime write a running container's state to an archive.
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { FastifyRequest } from "fastify";
import type { KubeletServerDeps, KubeletServerOptions } from "./deps.ts";
import { HttpError } from "./http-error.ts";
import type { RunParams } from "./run-in-container.ts";
import { runningContainer } from "./streams/streaming-url.ts";

interface Deps extends Pick<KubeletServerDeps, "clock"> {
  readonly pods: Pick<KubeletServerDeps["pods"], "find">;
  readonly runtime: Pick<KubeletServerDeps["runtime"], "read">;
  readonly cri: Pick<KubeletServerDeps["cri"], "checkpointContainer">;
}

/** Answers with the archive's path on the node. What the runtime refuses is told in its own words. */
export function checkpointHandler({ rootDir = "/" }: Pick<KubeletServerOptions, "rootDir">, deps: Deps) {
  return async (request: FastifyRequest<{ Params: RunParams }>) => {
    const { namespace, pod: name, container } = request.params;
    const pod = deps.pods.find(namespace, name);
    if (!pod) throw new HttpError(404, "pod does not exist");
    const { containers = [], initContainers = [], ephemeralContainers = [] } = pod.spec ?? {};
    const isKnown = [...containers, ...initContainers, ...ephemeralContainers].some((one) => one.name === container);
    if (!isKnown) throw new HttpError(404, `container ${container} does not exist`);
    const timeout = timeoutOf(request.url);
    const dir = join(rootDir, "checkpoints");
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const time = new Date(deps.clock.now()).toISOString().slice(0, 19);
    const location = join(dir, `checkpoint-${name}_${namespace}-${container}-${time}Z.tar`);
    try {
      const { pod: held } = await deps.runtime.read(pod.metadata.uid ?? "");
      await deps.cri.checkpointContainer(runningContainer(held, container), location, timeout);
    } catch (error) {
      const why = (error as Error).message;
      throw new HttpError(500, `checkpointing of ${namespace}/${name}/${container} failed (${why})`);
    }
    return { items: [location] };
  };
}

function timeoutOf(url: string): number {
  const text = new URL(url, "http://kubelet").searchParams.get("timeout") ?? "0";
  if (!/^\d{1,9}$/.test(text))
    throw new HttpError(400, `cannot parse value of timeout parameter: ${JSON.stringify(text)}`);
  return Number(text);
}

// POST /run/NAMESPACE/POD[/UID]/CONTAINER?cmd=…: runs a command to its end and answers with what it printed.
import type { FastifyReply, FastifyRequest } from "fastify";
import type { KubeletServerDeps } from "./deps.ts";
import { HttpError } from "./http-error.ts";
import { findPod } from "./pod-lookup.ts";
import { runningContainer } from "./streams/streaming-url.ts";

/** Of the path; the UID is optional and, where given, must be the pod's. */
export interface RunParams {
  readonly namespace: string;
  readonly pod: string;
  readonly uid?: string;
  readonly container: string;
}

/** The runtime's call cannot be taken back, so a command that hangs must end by itself. */
const COMMAND_TIMEOUT_SECONDS = 600;

/** Answers 200 with stdout and stderr together, 404 for no such pod, 500 with the output where the command failed. */
export function runHandler({ pods, runtime, cri }: Pick<KubeletServerDeps, "pods" | "runtime" | "cri">) {
  return async (request: FastifyRequest<{ Params: RunParams }>, reply: FastifyReply) => {
    const { namespace, pod: name, uid, container } = request.params;
    const pod = findPod(pods, namespace, name, uid);
    const cmd = (new URL(request.url, "http://kubelet").searchParams.get("cmd") ?? "").split(" ");
    const { pod: held } = await runtime.read(pod.metadata.uid ?? "");
    const result = await cri.execSync(runningContainer(held, container), cmd, COMMAND_TIMEOUT_SECONDS);
    const output = Buffer.concat([result.stdout, result.stderr]);
    if (result.exitCode !== 0) {
      throw new HttpError(500, `command '${cmd.join(" ")}' exited with ${result.exitCode}: ${output.toString()}`);
    }
    return reply.type("text/plain; charset=utf-8").send(output);
  };
}

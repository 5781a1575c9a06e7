// Asks the container runtime for the one-time address of a stream.
import type { Pod } from "@skiff/api/types.ts";
import { CriError, isCriNotFound } from "../../cri/cri-client.ts";
import type { RuntimePod } from "../../runtime/runtime-pod.ts";
import type { KubeletServerDeps } from "../deps.ts";
import { HttpError } from "../http-error.ts";
import { requireContainer } from "../pod-lookup.ts";
import type { StreamTarget } from "./stream-target.ts";

type Deps = Pick<KubeletServerDeps, "pods" | "runtime" | "cri">;

/** A fresh address per call: each is good for one attempt. Throws HttpError in upstream's words. */
export async function streamingUrl(target: StreamTarget, deps: Deps): Promise<URL> {
  const pod = deps.pods.find(target.namespace, target.pod, target.uid);
  if (!pod) throw new HttpError(404, "pod does not exist");
  const { pod: runtime } = await deps.runtime.read(pod.metadata.uid ?? "");
  const text = await askFor(target, pod, runtime, deps.cri).catch((error) => {
    if (!(error instanceof CriError)) throw error;
    throw new HttpError(isCriNotFound(error) ? 404 : 500, error.message, { cause: error });
  });
  const url = new URL(text);
  if (url.protocol === "http:") return url;
  throw new HttpError(500, `the container runtime streams over ${url.protocol} which is not supported`);
}

/**
 * containerd hands out an address on loopback with a token in it; the kubelet relays to it, so the client never sees
 * it.
 */
function askFor(target: StreamTarget, pod: Readonly<Pod>, runtime: RuntimePod, cri: Deps["cri"]): Promise<string> {
  if (target.kind === "portForward") return cri.portForward(readySandbox(runtime), target.ports);
  const containerId = runningContainer(runtime, target.container);
  if (target.kind === "exec") return cri.exec({ containerId, cmd: target.cmd, ...target.streams });
  // A process has its terminal and its input since its start, whatever the caller wishes now.
  const { tty = false, stdin = false } = requireContainer(pod, target.container);
  const { streams } = target;
  return cri.attach({
    containerId,
    tty,
    stdin: streams.stdin && stdin,
    stdout: streams.stdout,
    stderr: streams.stderr && !tty,
  });
}

/** The id of the running container of that name. */
export function runningContainer(runtime: RuntimePod, name: string): string {
  const container = runtime.containers.find((one) => one.name === name && one.state === "running");
  if (!container) throw new HttpError(500, `container not found ("${name}")`);
  return container.id;
}

function readySandbox(runtime: RuntimePod): string {
  const sandbox = runtime.sandboxes.find((one) => one.ready);
  if (!sandbox) throw new HttpError(500, `failed to find sandboxID for pod ${runtime.namespace}/${runtime.name}`);
  return sandbox.id;
}

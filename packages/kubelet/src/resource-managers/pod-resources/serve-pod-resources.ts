// pod-resources/kubelet.sock: tells monitors and device plugins of the node who has what.
import type { Server, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { Pod } from "@skiff/api/types.ts";
import { UNKNOWN } from "@skiff/grpc/grpc-error.ts";
import { serveUnixSocket } from "../../grpc/serve-unix-socket.ts";
import { serviceMethods } from "../../grpc/service-methods.ts";
import type { Holdings } from "./pod-resources.ts";
import { allocatableResources, podResources } from "./pod-resources.ts";
import descriptor from "./podresources-v1.json" with { type: "json" };
import oldDescriptor from "./podresources-v1alpha1.json" with { type: "json" };

export interface PodResourcesDeps extends Holdings {
  /** Those that the node runs. */
  pods(): readonly Readonly<Pod>[];
}

/** Serves until disposed. */
export function servePodResources(socket: string, deps: PodResourcesDeps): Promise<AsyncDisposable> {
  return serveUnixSocket(socket, () => makeServer(deps));
}

async function makeServer(deps: PodResourcesDeps): Promise<Server> {
  const { Server } = await import("@grpc/grpc-js");
  const server = new Server();
  const list = answer(() => ({ podResources: deps.pods().map((pod) => podResources(pod, deps)) }));
  // Of what is listed, the old form's encoding takes the devices alone.
  server.addService(serviceMethods(oldDescriptor, ["v1alpha1.PodResourcesLister"]), { List: list });
  server.addService(serviceMethods(descriptor, ["v1.PodResourcesLister"]), {
    List: list,
    GetAllocatableResources: answer(() => allocatableResources(deps)),
    Get: answer((request) => ({ podResources: podResources(find(request, deps.pods()), deps) })),
  });
  return server;
}

function find(request: object, pods: readonly Readonly<Pod>[]): Readonly<Pod> {
  const { podName, podNamespace } = request as { podName: string; podNamespace: string };
  const found = pods.find(({ metadata }) => metadata.name === podName && metadata.namespace === podNamespace);
  if (!found) throw new Error(`pod ${podName} in namespace ${podNamespace} not found`);
  return found;
}

function answer(respond: (request: object) => object) {
  return (call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>): void => {
    try {
      callback(null, respond(call.request));
    } catch (error) {
      callback({ code: UNKNOWN, details: (error as Error).message });
    }
  };
}

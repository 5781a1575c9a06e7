// device-plugins/kubelet.sock, where device plugins make themselves known.
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import { UNKNOWN } from "@skiff/grpc/grpc-error.ts";
import { serveUnixSocket } from "../../grpc/serve-unix-socket.ts";
import { serviceMethods } from "../../grpc/service-methods.ts";
import descriptor from "./deviceplugin-v1beta1.json" with { type: "json" };

/** What a plugin says: its protocol's version, its socket's name in this folder, and its resource. */
export interface Registration {
  readonly version: string;
  readonly endpoint: string;
  readonly resourceName: string;
}

/** Upstream's file name, in the folder of the sockets. */
export const CHECKPOINT_NAME = "kubelet_internal_checkpoint";
const SOCKET_NAME = "kubelet.sock";

/** Serves until disposed. `register` throws what the plugin is told. */
export async function serveRegistration(
  folder: string,
  register: (request: Registration) => void,
): Promise<AsyncDisposable> {
  await mkdir(folder, { recursive: true, mode: 0o750 });
  await removeSockets(folder);
  const makeServer = async () => {
    const { Server } = await import("@grpc/grpc-js");
    const server = new Server();
    const handle = (call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>) => {
      try {
        register(call.request as Registration);
        callback(null, {});
      } catch (error) {
        callback({ code: UNKNOWN, details: (error as Error).message });
      }
    };
    server.addService(serviceMethods(descriptor, ["v1beta1.Registration"]), { Register: handle });
    return server;
  };
  return serveUnixSocket(join(folder, SOCKET_NAME), makeServer);
}

/** As upstream: plugins see their sockets go, or ours come, and register anew. */
async function removeSockets(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name === CHECKPOINT_NAME || entry.isDirectory()) continue;
    await rm(join(folder, entry.name), { force: true });
  }
}

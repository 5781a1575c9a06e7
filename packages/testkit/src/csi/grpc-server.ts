// A gRPC server on a unix socket whose methods come from proto/ and are written as promises.

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import type { ServerUnaryCall, ServiceDefinition, sendUnaryData, UntypedHandleCall } from "@grpc/grpc-js";
import { Server, ServerCredentials, status } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

/** What a call ends with instead of an answer; `code` is one of gRPC's. */
export class Refusal extends Error {
  readonly code: status;

  constructor(code: keyof typeof status, details: string) {
    super(details);
    this.code = status[code];
  }
}

export type Method = (request: never) => Promise<object> | object;

/** `proto` is a path below proto/; methods that are not given answer UNIMPLEMENTED. */
export async function serveGrpc(
  socket: string,
  proto: string,
  service: string,
  methods: Readonly<Record<string, Method>>,
): Promise<AsyncDisposable> {
  const path = fileURLToPath(new URL(`../../../../proto/${proto}`, import.meta.url));
  const loaded = loadSync(path, { longs: String, enums: String, defaults: true });
  const server = new Server();
  const handlers = Object.entries(methods).map(([name, method]) => [name, unary(method)] as const);
  server.addService(loaded[service] as ServiceDefinition, Object.fromEntries(handlers));
  await mkdir(dirname(socket), { recursive: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
      if (error) reject(error);
      else resolve();
    });
  });
  return {
    async [Symbol.asyncDispose]() {
      server.forceShutdown();
    },
  };
}

function unary(method: Method): UntypedHandleCall {
  return (call: ServerUnaryCall<object, object>, reply: sendUnaryData<object>) => {
    Promise.resolve()
      .then(() => method(call.request as never))
      .then(
        (answer) => reply(null, answer),
        (error: Error) => {
          const code = error instanceof Refusal ? error.code : status.INTERNAL;
          reply({ code, details: error.message });
        },
      );
  };
}

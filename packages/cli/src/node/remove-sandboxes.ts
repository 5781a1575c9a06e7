// Stops and removes every pod sandbox of a node through the CRI, which takes down its containers, mounts and interfaces.
import { fileURLToPath } from "node:url";
import type { Client, ServiceClientConstructor } from "@grpc/grpc-js";
import { credentials, loadPackageDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { Clock } from "@skiff/component-base/clock.ts";

/** The CRI's contract, read at run time: this is the only place of the command line that speaks gRPC. */
const PROTO = new URL("../../../../proto/cri/runtime-v1.proto", import.meta.url);
const CALL_TIMEOUT_MS = 30_000;
/** Sandboxes that are taken down at once. */
const CONCURRENCY = 8;

/** Resolves to the errors of those that would not go; throws when containerd does not answer. */
export async function removeSandboxes(socket: string, clock: Clock): Promise<Error[]> {
  const client = connect(socket);
  try {
    const { items } = await call<{ items: { id: string }[] }>(client, "listPodSandbox", {}, clock);
    const failures: Error[] = [];
    const queue = items.map((item) => item.id);
    const worker = async () => {
      for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
        await removeOne(client, id, clock).catch((error: Error) => failures.push(error));
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    return failures;
  } finally {
    client.close();
  }
}

/** Stopped before it is removed, as the CRI asks for. */
async function removeOne(client: Client, podSandboxId: string, clock: Clock): Promise<void> {
  await call(client, "stopPodSandbox", { podSandboxId }, clock);
  await call(client, "removePodSandbox", { podSandboxId }, clock);
}

function connect(socket: string): Client {
  const definition = loadSync(fileURLToPath(PROTO), { defaults: true, longs: String });
  const root = loadPackageDefinition(definition) as unknown as {
    runtime: { v1: Record<string, ServiceClientConstructor> };
  };
  const Service = root.runtime.v1.RuntimeService;
  if (!Service) throw new Error("the CRI's proto file lacks RuntimeService");
  return new Service(`unix://${socket}`, credentials.createInsecure(), { "grpc.max_receive_message_length": -1 });
}

type Method = (
  request: object,
  options: { deadline: number },
  done: (error: Error | null, answer: unknown) => void,
) => void;

function call<T>(client: Client, method: string, request: object, clock: Clock): Promise<T> {
  const run = (client as unknown as Record<string, Method>)[method];
  if (!run) throw new Error(`the CRI has no call ${method}`);
  return new Promise((resolve, reject) => {
    run.call(client, request, { deadline: clock.now() + CALL_TIMEOUT_MS }, (error, answer) =>
      error ? reject(error) : resolve(answer as T),
    );
  });
}

// Tells at once when a container exits: by the CRI's event stream, or containerd's own where the CRI has none.
import assert from "node:assert/strict";
import { type Client, credentials, makeGenericClientConstructor } from "@grpc/grpc-js";
import descriptor from "./containerd-events-v1.json" with { type: "json" };
import type { CriClient } from "./cri-client.ts";
import { isCriUnimplemented } from "./cri-client.ts";
import { serviceMethods } from "./service-methods.ts";

interface Envelope {
  event: { value: { containerId: string; id: string } | null } | null;
}

/** Ids of containers and sandboxes that exited. Throws where the runtime tells nothing, or when the stream breaks. */
export async function* exitEvents(
  cri: Pick<CriClient, "containerEvents">,
  endpoint: string,
  signal: AbortSignal,
): AsyncIterable<string> {
  try {
    for await (const event of cri.containerEvents(signal)) {
      if (event.containerEventType === "CONTAINER_STOPPED_EVENT") yield event.containerId;
    }
  } catch (error) {
    if (!isCriUnimplemented(error)) throw error;
    yield* containerdExits(endpoint, signal);
  }
}

async function* containerdExits(endpoint: string, signal: AbortSignal): AsyncIterable<string> {
  const method = serviceMethods(descriptor, ["containerd.services.events.v1.Events"]).Subscribe;
  assert(method, "containerd's contract has Subscribe");
  const Generic = makeGenericClientConstructor({}, "events");
  const client: Client = new Generic(endpoint, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  const stream = client.makeServerStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, {
    filters: ['namespace=="k8s.io",topic=="/tasks/exit"'],
  });
  const cancel = () => stream.cancel();
  signal.addEventListener("abort", cancel, { once: true });
  try {
    for await (const message of stream) {
      const exit = (message as Envelope).event?.value;
      // A probe's command ends in the same way, but its id is its own.
      if (exit && exit.id === exit.containerId) yield exit.containerId;
    }
  } finally {
    signal.removeEventListener("abort", cancel);
    stream.cancel();
    client.close();
  }
}

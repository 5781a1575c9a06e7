// Tells at once when a container exits: by the CRI's event stream, or containerd's own where the CRI has none.
import type { Clock } from "@skiff/component-base/clock.ts";
import { GrpcClient } from "../grpc/grpc-client.ts";
import { serviceMethods } from "../grpc/service-methods.ts";
import descriptor from "./containerd-events-v1.json" with { type: "json" };
import type { CriClient } from "./cri-client.ts";
import { isCriUnimplemented } from "./cri-client.ts";

interface Envelope {
  event: { value: { containerId: string; id: string } | null } | null;
}

/** Ids of containers and sandboxes that exited. Throws where the runtime tells nothing, or when the stream breaks. */
export async function* exitEvents(
  cri: Pick<CriClient, "containerEvents">,
  { endpoint, clock }: { readonly endpoint: string; readonly clock: Clock },
  signal: AbortSignal,
): AsyncIterable<string> {
  try {
    for await (const event of cri.containerEvents(signal)) {
      if (event.containerEventType === "CONTAINER_STOPPED_EVENT") yield event.containerId;
    }
  } catch (error) {
    if (!isCriUnimplemented(error)) throw error;
    yield* containerdExits(endpoint, clock, signal);
  }
}

async function* containerdExits(endpoint: string, clock: Clock, signal: AbortSignal): AsyncIterable<string> {
  const methods = serviceMethods(descriptor, ["containerd.services.events.v1.Events"]);
  using client = new GrpcClient(endpoint, methods, { name: "containerd", clock });
  const filters = ['namespace=="k8s.io",topic=="/tasks/exit"'];
  for await (const { event } of client.messages<Envelope>("Subscribe", { filters }, signal)) {
    const exit = event?.value;
    // A probe's command ends in the same way, but its id is its own.
    if (exit && exit.id === exit.containerId) yield exit.containerId;
  }
}

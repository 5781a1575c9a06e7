// The messages that a server sends on one call, for a loop to read.
import type { GrpcChannel } from "./grpc-channel.ts";
import { GrpcError, RESOURCE_EXHAUSTED } from "./grpc-error.ts";

/** `path` is `/runtime.v1.RuntimeService/GetContainerEvents`. Ends when the server ends the call or the signal aborts; throws GrpcError. */
export async function* readMessages(
  channel: Pick<GrpcChannel, "stream">,
  path: string,
  request: Buffer,
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  let waiting: Buffer[] = [];
  let isOver = signal.aborted;
  let failure: GrpcError | undefined;
  let wake = Promise.withResolvers<void>();
  const end = (error?: GrpcError) => {
    if (isOver) return;
    isOver = true;
    failure = error;
    wake.resolve();
  };
  const call = channel.stream(path, {
    onMessage: (message) => {
      waiting.push(message);
      if (waiting.length > MAX_WAITING) {
        end(new GrpcError(RESOURCE_EXHAUSTED, `nobody reads what ${path} sends`));
        call.cancel();
      }
      wake.resolve();
    },
    onEnd: end,
  });
  const stop = () => end();
  signal.addEventListener("abort", stop, { once: true });
  try {
    call.send(request, true);
    for (;;) {
      const messages = waiting;
      waiting = [];
      yield* messages;
      if (waiting.length > 0) continue;
      if (isOver) break;
      await wake.promise;
      wake = Promise.withResolvers();
    }
    if (failure) throw failure;
  } finally {
    signal.removeEventListener("abort", stop);
    call.cancel();
  }
}

/** Far more than a node's containers end with at once. */
const MAX_WAITING = 10_000;

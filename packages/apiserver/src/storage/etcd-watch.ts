// One watch stream on the whole prefix: whole revisions in order, whatever fragments they came in.
import type { IEvent, IWatchResponse } from "etcd3";
import type { EtcdConnection } from "./etcd-connection.ts";

/** Why a stream ended. `compactedAt` means that history was lost and only a relist helps. */
export interface WatchEnd {
  readonly error?: unknown;
  readonly compactedAt?: number;
}

export interface WatchHandlers {
  /** The server took the watch. */
  onStart(clusterId: string, revision: number): void;
  /** Events of one or more whole revisions, in order. */
  onEvents(events: readonly IEvent[], clusterId: string): void;
}

/** Runs until the stream breaks, is refused or `signal` aborts; never throws. */
export async function runEtcdWatch(
  etcd: EtcdConnection,
  fromRevision: number,
  handlers: WatchHandlers,
  signal: AbortSignal,
): Promise<WatchEnd> {
  let stream: Awaited<ReturnType<EtcdConnection["openWatch"]>>;
  try {
    stream = await etcd.openWatch();
  } catch (error) {
    return { error };
  }
  return await new Promise<WatchEnd>((resolve) => {
    let fragments: IEvent[] = [];
    let ended = false;
    const finish = (end: WatchEnd) => {
      signal.removeEventListener("abort", onAbort);
      ended = true;
      stream.cancel();
      resolve(end);
    };
    const onAbort = () => finish({});
    signal.addEventListener("abort", onAbort, { once: true });
    stream.on("error", (error: unknown) => finish({ error }));
    stream.on("end", () => finish({}));
    stream.on("data", (message: IWatchResponse) => {
      if (ended) return;
      if (message.canceled) return finish(endOf(message));
      if (message.created) return handlers.onStart(message.header.cluster_id, Number(message.header.revision));
      if (message.fragment || fragments.length > 0) fragments.push(...message.events);
      if (message.fragment) return;
      const events = fragments.length > 0 ? fragments : message.events;
      fragments = [];
      if (events.length > 0) handlers.onEvents(events, message.header.cluster_id);
    });
    stream.write({ create_request: createRequest(etcd.prefix, fromRevision) });
    if (signal.aborted) onAbort();
  });
}

function createRequest(prefix: string, fromRevision: number) {
  return {
    key: Buffer.from(`${prefix}/`),
    // "0" follows "/" so this is everything below the prefix.
    range_end: Buffer.from(`${prefix}0`),
    start_revision: String(fromRevision),
    fragment: true,
  };
}

function endOf(message: IWatchResponse): WatchEnd {
  const compactedAt = Number(message.compact_revision);
  const error = new Error(`etcd canceled the watch: ${message.cancel_reason || "no reason given"}`);
  return compactedAt > 0 ? { error, compactedAt } : { error };
}

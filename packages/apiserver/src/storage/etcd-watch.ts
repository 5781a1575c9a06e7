// One watch stream on the whole prefix: whole revisions in order, whatever fragments they came in.
import { decodeWatch, encodeWatchCreate, type WatchEvent, type WatchResponse } from "./etcd/messages.ts";
import type { EtcdConnection } from "./etcd-connection.ts";

/** Why a stream ended. `compactedAt` means that history was lost and only a relist helps. */
export interface WatchEnd {
  readonly error?: unknown;
  readonly compactedAt?: number;
}

/** Told in the order of the stream; must not block it. */
export interface WatchHandlers {
  /** The server took the watch. */
  onStart(clusterId: string): void;
  /** Events of one or more whole revisions, in order. */
  onEvents(events: readonly WatchEvent[], clusterId: string): void;
}

/** Runs until the stream breaks, is refused or `signal` aborts; never throws. */
export function runEtcdWatch(
  etcd: EtcdConnection,
  fromRevision: number,
  handlers: WatchHandlers,
  signal: AbortSignal,
): Promise<WatchEnd> {
  return new Promise((resolve) => {
    let fragments: WatchEvent[] = [];
    const finish = (end: WatchEnd) => {
      signal.removeEventListener("abort", onAbort);
      stream.cancel();
      resolve(end);
    };
    const onAbort = () => finish({});
    const onMessage = (bytes: Buffer) => {
      const message = decodeWatch(bytes);
      if (message.canceled) return finish(endOf(message));
      if (message.created) return handlers.onStart(message.clusterId);
      // Half a revision must not reach the caches: a client that resumed there would miss the rest.
      if (message.fragment || fragments.length > 0) fragments.push(...message.events);
      if (message.fragment) return;
      const events = fragments.length > 0 ? fragments : message.events;
      fragments = [];
      if (events.length > 0) handlers.onEvents(events, message.clusterId);
    };
    const stream = etcd.openWatch({ onMessage, onEnd: (error) => finish(error ? { error } : {}) });
    stream.send(createRequest(etcd.prefix, fromRevision));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}

function createRequest(prefix: string, fromRevision: number): Buffer {
  // "0" follows "/" so this is everything below the prefix.
  return encodeWatchCreate(Buffer.from(`${prefix}/`), Buffer.from(`${prefix}0`), fromRevision);
}

function endOf(message: WatchResponse): WatchEnd {
  const { compactRevision, cancelReason } = message;
  const error = new Error(`etcd canceled the watch: ${cancelReason || "no reason given"}`);
  return compactRevision > 0 ? { error, compactedAt: compactRevision } : { error };
}

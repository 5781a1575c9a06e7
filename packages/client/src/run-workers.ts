// Workers over a queue: each takes a key, reconciles it, and decides whether it comes back.
import type { Logger } from "@skiff/component-base/logger.ts";
import { newTraceId, withTrace } from "@skiff/component-base/trace.ts";
import type { WorkQueue } from "./work-queue.ts";

export interface RunWorkersOptions {
  readonly signal: AbortSignal;
  readonly log: Logger;
  /** Of the controller, for its log. */
  readonly name: string;
}

/** Makes the world match the object of that key, whatever happened: it may be called too often, never too seldom. */
export type Reconcile<K extends string> = (key: K, signal: AbortSignal) => Promise<void>;

/**
 * Runs `count` workers until the signal aborts, then resolves once the passes under way have ended. A key whose pass fails comes
 * back with back-off, for ever: what is wrong may be put right at any time, and no event may tell of it.
 */
export async function runWorkers<K extends string>(
  queue: WorkQueue<K>,
  count: number,
  reconcile: Reconcile<K>,
  options: RunWorkersOptions,
): Promise<void> {
  const log = options.log.child({ controller: options.name });
  const worker = async () => {
    while (!options.signal.aborted) {
      const key = await nextKey(queue, options.signal);
      if (key !== undefined) await withTrace(newTraceId(), () => pass(queue, key, reconcile, options.signal, log));
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
}

async function nextKey<K extends string>(queue: WorkQueue<K>, signal: AbortSignal): Promise<K | undefined> {
  try {
    return await queue.get(signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

async function pass<K extends string>(
  queue: WorkQueue<K>,
  key: K,
  reconcile: Reconcile<K>,
  signal: AbortSignal,
  log: Logger,
): Promise<void> {
  try {
    await reconcile(key, signal);
    queue.forget(key);
  } catch (error) {
    // The error of a stop says nothing about the key.
    if (signal.aborted) return;
    log.warn({ key, retries: queue.retries(key), err: error }, "reconcile failed, retrying");
    queue.addRateLimited(key);
  } finally {
    // Last: until then no other worker gets the key, even if it was added again.
    queue.done(key);
  }
}

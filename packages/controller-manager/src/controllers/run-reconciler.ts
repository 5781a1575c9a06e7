// Workers over a queue, for loops that write what they computed from a cache.
import { isConflict } from "@skiff/api/errors.ts";
import type { Reconcile, RunWorkersOptions } from "@skiff/client/run-workers.ts";
import { runWorkers } from "@skiff/client/run-workers.ts";
import type { WorkQueue } from "@skiff/client/work-queue.ts";

/** How soon a pass that lost a race is repeated; by then the cache has mostly seen the winner. */
const CONFLICT_RETRY_MS = 10;

/** As runWorkers, but a conflict is no failure: somebody was faster, and the next pass starts from what they wrote. */
export async function runReconciler(
  queue: WorkQueue<string>,
  count: number,
  reconcile: Reconcile<string>,
  options: RunWorkersOptions,
): Promise<void> {
  const pass: Reconcile<string> = async (key, signal) => {
    try {
      await reconcile(key, signal);
    } catch (error) {
      if (!isConflict(error)) throw error;
      options.log.debug({ controller: options.name, key }, "cache was behind, repeating");
      queue.addAfter(key, CONFLICT_RETRY_MS);
    }
  };
  await runWorkers(queue, count, pass, options);
}

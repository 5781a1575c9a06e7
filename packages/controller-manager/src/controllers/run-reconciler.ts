// Workers over a queue, for loops that write what they computed from a cache.
import { isConflict } from "@skiff/api/errors.ts";
import { BackOff } from "@skiff/client/back-off.ts";
import type { Reconcile, RunWorkersOptions } from "@skiff/client/run-workers.ts";
import { runWorkers } from "@skiff/client/run-workers.ts";
import type { WorkQueue } from "@skiff/client/work-queue.ts";

/**
 * How soon a pass that lost a race is repeated: first in 10 to 20 ms, when the cache has mostly seen the winner. A cache that stays
 * behind has lost its watch, and asking on at that pace would only burden the server that is to give it a new one.
 */
const CONFLICT_RETRY = { initialMs: 20, ceilingMs: 5000 };

/** As runWorkers, but a conflict is no failure: somebody was faster, and the next pass starts from what they wrote. */
export async function runReconciler(
  queue: WorkQueue<string>,
  count: number,
  reconcile: Reconcile<string>,
  options: RunWorkersOptions,
): Promise<void> {
  /** Of keys whose last pass lost a race, and of no others. */
  const races = new Map<string, BackOff>();
  const pass: Reconcile<string> = async (key, signal) => {
    try {
      await reconcile(key, signal);
      races.delete(key);
    } catch (error) {
      if (!isConflict(error)) {
        races.delete(key);
        throw error;
      }
      const race = races.get(key) ?? new BackOff(CONFLICT_RETRY);
      races.set(key, race);
      options.log.debug({ controller: options.name, key }, "cache was behind, repeating");
      queue.addAfter(key, race.next());
    }
  };
  await runWorkers(queue, count, pass, options);
}

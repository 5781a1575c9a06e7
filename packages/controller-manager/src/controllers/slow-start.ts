// Runs many like calls in batches of 1, 2, 4 …, so that one that must fail for all fails only a few times.

/** Upstream's SlowStartInitialBatchSize. */
const FIRST_BATCH = 1;

/** Calls that succeeded before and beside the failure count too. */
export interface SlowStartResult {
  readonly successes: number;
  /** The first failure; the calls after its batch were not made. */
  readonly error: unknown;
}

/**
 * Upstream's slowStartBatch: calls `work` up to `count` times and stops after the first batch with a failure. Five hundred pods
 * that a quota forbids cost one request, not five hundred.
 */
export async function slowStart(count: number, work: () => Promise<void>): Promise<SlowStartResult> {
  let successes = 0;
  let remaining = count;
  for (let batch = Math.min(FIRST_BATCH, remaining); batch > 0; batch = Math.min(2 * batch, remaining)) {
    const results = await Promise.allSettled(Array.from({ length: batch }, () => work()));
    const failed = results.find((result) => result.status === "rejected");
    successes += results.filter((result) => result.status === "fulfilled").length;
    if (failed) return { successes, error: failed.reason };
    remaining -= batch;
  }
  return { successes, error: undefined };
}

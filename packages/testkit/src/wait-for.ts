// Waits for a condition, never for a duration.
import { realClock } from "@skiff/component-base/clock.ts";
import { patience } from "./config.ts";

export interface WaitOptions {
  /** Both on a machine of usual speed: SKIFF_TEST_PATIENCE multiplies them. */
  readonly timeoutMs?: number;
  readonly intervalMs?: number;
}

/**
 * The first value of `probe` that is neither undefined, null nor false. What `probe` throws counts as "not yet"; after the
 * time is up the last error, or the last value, is in the message.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeoutMs = 30_000, intervalMs = 50 }: WaitOptions = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const limitMs = timeoutMs * patience;
  const deadline = realClock.monotonic() + limitMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) return value as NonNullable<Exclude<T, false>>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (realClock.monotonic() > deadline) {
      const detail = last instanceof Error ? last.message : String(last);
      throw new Error(`timed out after ${limitMs} ms waiting for ${what}: ${detail}`, { cause: last });
    }
    // Asking costs such a machine as much more as everything else does.
    await realClock.sleep(intervalMs * patience);
  }
}

// Waiting for a condition in tests that use real sockets.
import { realClock } from "@skiff/component-base/clock.ts";

/** Resolves once `condition` holds; fails after five seconds, saying what was waited for. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = realClock.monotonic() + 5000;
  while (!condition()) {
    if (realClock.monotonic() > deadline) throw new Error(`waited in vain until ${what}`);
    await realClock.sleep(5);
  }
}

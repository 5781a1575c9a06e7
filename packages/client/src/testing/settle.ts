// Letting everything that is ready run, in tests on a fake clock.

/** A few turns of the event loop: enough for chains of promises that hand work to each other. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

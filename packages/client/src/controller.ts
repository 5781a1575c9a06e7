// What a controller is, and how several run as one.
import type { Logger } from "@skiff/component-base/logger.ts";

/** A control loop. `run` resolves soon after the signal aborts, and earlier only when there is nothing left to do. */
export interface Controller {
  readonly name: string;
  run(signal: AbortSignal): Promise<void>;
}

/** Runs all until the signal aborts; the first to fail stops the others, and its error is thrown. */
export async function runControllers(
  controllers: readonly Controller[],
  { signal, log }: { readonly signal: AbortSignal; readonly log: Logger },
): Promise<void> {
  const stop = new AbortController();
  const all = AbortSignal.any([signal, stop.signal]);
  let failure: Error | undefined;
  const runOne = async (controller: Controller) => {
    log.info({ controller: controller.name }, "starting controller");
    try {
      await controller.run(all);
    } catch (error) {
      // A wait that the stop ended is no failure. Another error during the stop still is, and is not lost.
      if (all.aborted && error === all.reason) return;
      failure ??= new Error(`controller ${controller.name} failed`, { cause: error });
      stop.abort(failure);
    }
  };
  // All are waited for, so that nothing acts any more once this returns or throws.
  await Promise.all(controllers.map(runOne));
  if (failure) throw failure;
}

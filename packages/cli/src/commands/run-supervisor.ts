// `skiff supervise`: the one process that `up` leaves behind besides the programs themselves.
import { realClock } from "@skiff/component-base/clock.ts";
import { createLogger } from "@skiff/component-base/logger.ts";
import { readClusterRecord } from "../cluster-record.ts";
import { layoutOf } from "../layout.ts";
import type { Runtime } from "../supervisor/instances.ts";
import { clusterInstances } from "../supervisor/instances.ts";
import { supervise } from "../supervisor/supervise.ts";
import { UserError } from "../user-error.ts";

/** Until the signal aborts. Throws UserError where there is no cluster in `state`. */
export async function runSupervisor(state: string, runtime: Runtime, signal: AbortSignal): Promise<void> {
  const layout = layoutOf(state);
  const record = readClusterRecord(layout.record);
  if (!record) throw new UserError(`there is no cluster in ${state}`, "start one with up");
  const log = createLogger("supervisor");
  await supervise(clusterInstances(layout, record, runtime), layout.run, { clock: realClock, log }, signal);
}

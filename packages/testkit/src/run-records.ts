// What the supervisor knows of a cluster's programs, for tests that kill them.
import { join } from "node:path";
import { isAlive } from "@skiff/cli/supervisor/process-identity.ts";
import type { RunRecord } from "@skiff/cli/supervisor/run-record.ts";
import { readRunRecord } from "@skiff/cli/supervisor/run-record.ts";
import { waitFor } from "./wait-for.ts";

/** The living process of `etcd`, `node-1/kubelet` and the like. */
export function runningProcess(state: string, key: string): RunRecord {
  const record = readRunRecord(join(state, "run"), key);
  if (!record || !isAlive(record.process)) throw new Error(`${key} does not run`);
  return record;
}

/** SIGKILL, and resolves once the supervisor has another one running. */
export async function killAndAwaitRestart(state: string, key: string): Promise<void> {
  const before = runningProcess(state, key).process;
  process.kill(before.pid, "SIGKILL");
  await waitFor(`${key} to be started again`, () => runningProcess(state, key).process.pid !== before.pid);
}

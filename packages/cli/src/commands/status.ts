// `skiff status`: what of a cluster runs, since when, and whether it is healthy.
import type { Clock } from "@skiff/component-base/clock.ts";
import { parseTime } from "@skiff/component-base/clock.ts";
import { readClusterRecord } from "../cluster-record.ts";
import { layoutOf } from "../layout.ts";
import { probeHealth } from "../supervisor/health-probe.ts";
import type { ClusterInstance, Runtime } from "../supervisor/instances.ts";
import { clusterInstances } from "../supervisor/instances.ts";
import { isAlive } from "../supervisor/process-identity.ts";
import { readRunRecord } from "../supervisor/run-record.ts";
import { SUPERVISOR_KEY } from "../supervisor/supervise.ts";
import { UserError } from "../user-error.ts";

/** 0 when everything runs and is healthy, else 1. */
export async function showStatus(state: string, deps: { clock: Clock; runtime: Runtime }): Promise<number> {
  const layout = layoutOf(state);
  const record = readClusterRecord(layout.record);
  if (!record) throw new UserError(`there is no cluster in ${state}`, "start one with up");
  const instances = clusterInstances(layout, record, deps.runtime);
  const rows = await Promise.all(instances.map((instance) => rowOf(instance, layout.run, deps.clock)));
  rows.push(await rowOf({ key: SUPERVISOR_KEY }, layout.run, deps.clock));
  printTable([["PROGRAM", "PID", "STATE", "RESTARTS", "UP"], ...rows]);
  return rows.every((row) => row[2] === "healthy" || row[2] === "running") ? 0 : 1;
}

/** The health is asked for now, not taken from a record. */
async function rowOf(
  instance: Pick<ClusterInstance, "key" | "probe">,
  runFolder: string,
  clock: Clock,
): Promise<string[]> {
  const record = readRunRecord(runFolder, instance.key);
  if (!record || !isAlive(record.process)) return [instance.key, "-", "not running", "-", "-"];
  const probe = instance.probe?.();
  const problem = probe ? await probeHealth(probe) : undefined;
  // A program without a port of its own can only be seen to run.
  const state = probe ? (problem ?? "healthy") : "running";
  const upSeconds = Math.round((clock.now() - parseTime(record.startedAt)) / 1000);
  return [instance.key, String(record.process.pid), state, String(record.restarts), `${upSeconds}s`];
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  for (const row of rows) {
    const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
    process.stdout.write(`${cells.join("   ").trimEnd()}\n`);
  }
}

// The supervisor: keeps every program of one cluster running. It is nobody's hostage: the programs outlive it.
import type { Clock } from "@skiff/component-base/clock.ts";
import { formatTime } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { probeHealth } from "./health-probe.ts";
import type { ClusterInstance } from "./instances.ts";
import { identifyProcess } from "./process-identity.ts";
import { removeRunRecord, writeRunRecord } from "./run-record.ts";
import { superviseProgram } from "./supervised-program.ts";

/** Its own record's, beside those of the programs. */
export const SUPERVISOR_KEY = "supervisor";
const PROBE_INTERVAL_MS = 40;

/** Runs until the signal aborts; the programs go on. */
export async function supervise(
  instances: readonly ClusterInstance[],
  runFolder: string,
  deps: { clock: Clock; log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const self = identifyProcess(process.pid);
  if (!self) throw new Error("/proc does not show this process");
  writeRunRecord(runFolder, {
    key: SUPERVISOR_KEY,
    process: self,
    startedAt: formatTime(deps.clock.now()),
    restarts: 0,
  });
  const gate = new HealthGate(instances, deps.clock);
  const options = { runFolder, ready: (keys: readonly string[], until: AbortSignal) => gate.wait(keys, until) };
  try {
    await Promise.all(instances.map((instance) => superviseProgram(instance, options, deps, signal)));
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    removeRunRecord(runFolder, SUPERVISOR_KEY);
  }
}

/** Answers "are these healthy yet?", asking each program once at a time however many wait for it. */
class HealthGate {
  private readonly instances: ReadonlyMap<string, ClusterInstance>;
  private readonly clock: Clock;
  private readonly waiting = new Map<string, Promise<void>>();

  constructor(instances: readonly ClusterInstance[], clock: Clock) {
    this.instances = new Map(instances.map((instance) => [instance.key, instance]));
    this.clock = clock;
  }

  /** Resolves once all of them have been healthy. One without a probe counts as healthy at once. */
  async wait(keys: readonly string[], signal: AbortSignal): Promise<void> {
    await Promise.all(keys.map((key) => this.waitFor(key, signal)));
  }

  private waitFor(key: string, signal: AbortSignal): Promise<void> {
    const known = this.waiting.get(key);
    if (known) return known;
    const probe = this.instances.get(key)?.probe?.();
    const wait = (async () => {
      while (probe && (await probeHealth(probe)) !== undefined) await this.clock.sleep(PROBE_INTERVAL_MS, signal);
    })();
    this.waiting.set(key, wait);
    return wait;
  }
}

// Keeps running containers on their processors: those that share move aside when others get some for themselves.
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { LinuxContainerResources } from "../cri/types.ts";

/** `id` is the runtime's. */
export interface RunningContainer {
  readonly podUid: string;
  readonly name: string;
  readonly id: string;
}

export interface CpuPinnerDeps {
  /** Those of admitted pods. */
  running(): readonly RunningContainer[];
  cpusOf(podUid: string, container: string): string;
  update(id: string, resources: LinuxContainerResources): Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
}

/**
 * Containers that share run on whatever is left over, which changes with every guaranteed pod that comes or goes; so
 * their cpusets are written again at each change and, for what went wrong, every period.
 */
export class CpuPinner {
  private readonly deps: CpuPinnerDeps;
  private readonly periodMs: number;
  /** Container id → what it was last set to. */
  private readonly applied = new Map<string, string>();
  private nudge = Promise.withResolvers<void>();

  constructor(periodMs: number, deps: CpuPinnerDeps) {
    this.periodMs = periodMs;
    this.deps = deps;
  }

  /** Puts things right now rather than at the next turn. */
  poke(): void {
    this.nudge.resolve();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.nudge = Promise.withResolvers<void>();
      await this.reconcile();
      const over = new AbortController();
      const wait = this.deps.clock.sleep(this.periodMs, AbortSignal.any([signal, over.signal])).catch(() => {});
      await Promise.race([wait, this.nudge.promise]);
      over.abort();
    }
  }

  /** One turn over all running containers; only differences are written. */
  async reconcile(): Promise<void> {
    const { running, cpusOf, update, log } = this.deps;
    const containers = running();
    const alive = new Set(containers.map(({ id }) => id));
    for (const id of this.applied.keys()) if (!alive.has(id)) this.applied.delete(id);
    for (const { podUid, name, id } of containers) {
      const cpusetCpus = cpusOf(podUid, name);
      if (!cpusetCpus || this.applied.get(id) === cpusetCpus) continue;
      try {
        await update(id, { cpusetCpus });
        this.applied.set(id, cpusetCpus);
      } catch (error) {
        // It may have ended meanwhile; what still runs is tried again.
        log.debug({ err: error, container: name, cpusetCpus }, "processors of a container were not set");
      }
    }
  }
}

// Removes what the runtime still keeps of containers and sandboxes that nobody will ask about again.
import { rm } from "node:fs/promises";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { KubeletConfig } from "../config.ts";
import { removeLogs } from "../container-logs/log-paths.ts";
import type { CriClient } from "../cri/cri-client.ts";
import { isCriNotFound } from "../cri/cri-client.ts";
import type { PodPaths } from "../pod-paths.ts";
import type { RuntimeContainer, RuntimePod } from "./runtime-pod.ts";
import type { StartGate } from "./start-gate.ts";

interface DeadContainerLimits {
  /** Per container name, beside the newest: `kubectl logs --previous` reads them. */
  readonly perContainer: number;
  /** On the whole node; negative for no limit. */
  readonly total: number;
  readonly minAgeMs: number;
}

export interface GarbageCollectorDeps {
  readonly cri: Pick<CriClient, "removeContainer" | "stopPodSandbox" | "removePodSandbox">;
  readonly paths: PodPaths;
  readonly gate: StartGate;
  readonly clock: Pick<Clock, "now">;
}

/**
 * Exited containers stay for a while, as their logs and exit codes are what a user looks for after a crash; a sandbox
 * goes once a newer one is there.
 */
export class GarbageCollector {
  private readonly limits: DeadContainerLimits;
  private readonly deps: GarbageCollectorDeps;

  constructor(limits: DeadContainerLimits, deps: GarbageCollectorDeps) {
    this.limits = limits;
    this.deps = deps;
  }

  /**
   * Old containers and sandboxes of a pod that lives on; `perContainer` may be stricter than the limits. Resolves with how many
   * containers went.
   */
  async trim(pod: RuntimePod, perContainer = this.limits.perContainer): Promise<number> {
    const before = this.deps.clock.now() - this.limits.minAgeMs;
    const old = surplusContainers(pod.containers, perContainer).filter(({ finishedAt }) => finishedAt <= before);
    for (const container of old) await this.removeContainer(container);
    // The newest one stays, ready or not: its attempt is what the next one counts from.
    const [, ...older] = pod.sandboxes;
    for (const sandbox of older.filter((candidate) => !candidate.ready)) await this.removeSandbox(sandbox.id);
    return old.length;
  }

  /** All that the runtime keeps of a pod that has run to its end, the logs too: the API knows how it ended. */
  async clear(pod: RuntimePod): Promise<number> {
    const dead = pod.containers.filter(({ state }) => state !== "running");
    for (const container of dead) await this.removeContainer(container);
    for (const sandbox of pod.sandboxes) if (!sandbox.ready) await this.removeSandbox(sandbox.id);
    return dead.length;
  }

  /** The oldest dead containers beyond what the whole node keeps. */
  async trimNode(pods: readonly RuntimePod[]): Promise<void> {
    for (const container of surplusOfNode(pods, this.limits.total)) await this.removeContainer(container);
  }

  /** Everything of a pod that is gone. Its containers must have stopped. */
  async purge(pod: RuntimePod, logDir: string): Promise<void> {
    await Promise.all(pod.sandboxes.map((sandbox) => this.removeSandbox(sandbox.id)));
    // Removing a sandbox takes its containers along.
    if (pod.sandboxes.length === 0) {
      for (const { id } of pod.containers) await this.deps.cri.removeContainer(id).catch(fineWhenGone);
    }
    for (const container of pod.containers) await rm(this.deps.paths.logLink(pod, container), { force: true });
    await rm(logDir, { recursive: true, force: true });
  }

  private async removeContainer(container: RuntimeContainer): Promise<void> {
    await this.deps.cri.removeContainer(container.id).catch(fineWhenGone);
    await removeLogs(container.logPath);
  }

  private async removeSandbox(id: string): Promise<void> {
    const { cri, gate } = this.deps;
    const remove = async () => {
      // One that has been stopped, as most have, can be removed at once.
      const removed = await cri.removePodSandbox(id).then(always, isCriNotFound);
      if (removed) return;
      await cri.stopPodSandbox(id).catch(fineWhenGone);
      await cri.removePodSandbox(id).catch(fineWhenGone);
    };
    await gate.run("removal", (place) => place.work(remove));
  }
}

/**
 * The dead containers beyond those that are kept, and those that were made and never started before another was.
 * `containers` are newest first.
 */
export function surplusContainers(containers: readonly RuntimeContainer[], perContainer: number): RuntimeContainer[] {
  const seen = new Map<string, number>();
  return containers.filter(({ name, state }) => {
    const newer = seen.get(name);
    // What never ran has no log that one might ask for.
    if (state === "created" && newer !== undefined) return true;
    seen.set(name, (newer ?? 0) + 1);
    return state === "exited" && (newer ?? 0) > perContainer;
  });
}

/** The oldest of the dead that are not the newest of their name, so that at most `total` dead ones are left. */
export function surplusOfNode(pods: readonly RuntimePod[], total: number): RuntimeContainer[] {
  if (total < 0) return [];
  const dead = pods.reduce(
    (sum, { containers }) => sum + containers.filter(({ state }) => state === "exited").length,
    0,
  );
  const spare = pods.flatMap(({ containers }) => surplusContainers(containers, 0));
  return spare.sort((a, b) => a.finishedAt - b.finishedAt).slice(0, Math.max(0, dead - total));
}

function always(): boolean {
  return true;
}

function fineWhenGone(error: unknown): void {
  if (!isCriNotFound(error)) throw error;
}

/** From the three flags that upstream has for it. */
export function deadContainerLimits(config: KubeletConfig): DeadContainerLimits {
  return {
    perContainer: config["maximum-dead-containers-per-container"],
    total: config["maximum-dead-containers"],
    minAgeMs: config["minimum-container-ttl-duration"],
  };
}

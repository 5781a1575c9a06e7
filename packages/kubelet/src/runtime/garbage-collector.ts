// Removes what the runtime still keeps of containers and sandboxes that nobody will ask about again.
import { rm } from "node:fs/promises";
import type { CriClient } from "../cri/cri-client.ts";
import { isCriNotFound } from "../cri/cri-client.ts";
import type { PodPaths } from "../pod-paths.ts";
import type { RuntimeContainer, RuntimePod } from "./runtime-pod.ts";

/** Dead containers kept per container name beside the newest, whose logs `kubectl logs --previous` reads. */
const KEPT_DEAD = 1;

export interface GarbageCollectorDeps {
  readonly cri: Pick<CriClient, "removeContainer" | "stopPodSandbox" | "removePodSandbox">;
  readonly paths: PodPaths;
}

export class GarbageCollector {
  private readonly deps: GarbageCollectorDeps;

  constructor(deps: GarbageCollectorDeps) {
    this.deps = deps;
  }

  /** Old containers and sandboxes of a pod that lives on. */
  async trim(pod: RuntimePod): Promise<void> {
    for (const container of surplusContainers(pod.containers)) {
      await this.deps.cri.removeContainer(container.id).catch(fineWhenGone);
      // A rotated log has further parts beside it.
      if (container.logPath) await rm(container.logPath, { force: true });
    }
    const [, ...older] = pod.sandboxes;
    for (const sandbox of older.filter((candidate) => !candidate.ready)) await this.removeSandbox(sandbox.id);
  }

  /** Everything of a pod that is gone. Its containers must have stopped. */
  async purge(pod: RuntimePod, logDir: string): Promise<void> {
    await Promise.all(pod.sandboxes.map((sandbox) => this.removeSandbox(sandbox.id)));
    // Removing a sandbox takes its containers along; what is left had none.
    for (const container of pod.containers) await this.deps.cri.removeContainer(container.id).catch(fineWhenGone);
    await rm(logDir, { recursive: true, force: true });
  }

  private async removeSandbox(id: string): Promise<void> {
    await this.deps.cri.stopPodSandbox(id).catch(fineWhenGone);
    await this.deps.cri.removePodSandbox(id).catch(fineWhenGone);
  }
}

/** The dead containers beyond those that are kept. `containers` are newest first. */
export function surplusContainers(containers: readonly RuntimeContainer[]): RuntimeContainer[] {
  const seen = new Map<string, number>();
  return containers.filter((container) => {
    const newer = seen.get(container.name) ?? 0;
    seen.set(container.name, newer + 1);
    return container.state === "exited" && newer > KEPT_DEAD;
  });
}

function fineWhenGone(error: unknown): void {
  if (!isCriNotFound(error)) throw error;
}

// Ends what still runs of containers that the runtime takes for dead, or has forgotten: their successors run beside them.
import type { Logger } from "@skiff/component-base/logger.ts";
import type { PodCgroups } from "../cgroups/pod-cgroups.ts";
import type { Pleg } from "../pleg.ts";
import type { PodWorkers } from "../pod-workers.ts";
import type { RuntimePod } from "./runtime-pod.ts";

export interface StrayContainersDeps {
  readonly cgroups: Pick<PodCgroups, "containers" | "removeContainer">;
  readonly pleg: Pick<Pleg, "get" | "refresh">;
  readonly workers: Pick<PodWorkers, "has" | "isBusy">;
  readonly log: Logger;
}

/** Looks at a container that ended before what is in its cgroup is a stray: the runtime may be about to remove it. */
const LOOKS_AT_DEAD = 2;
/** At one that the runtime does not show: it shows a sandbox only once that has been made, which may take long. */
const LOOKS_AT_UNKNOWN = 6;

/**
 * Where both a shim and the helper that cleans up after it are killed, the container's processes live on with nobody who
 * knows of them. Their cgroup is the pod's, and so the kubelet's.
 */
export class StrayContainers {
  private readonly deps: StrayContainersDeps;
  /** Id → how many looks in a row have found it. */
  private suspects = new Map<string, number>();

  constructor(deps: StrayContainersDeps) {
    this.deps = deps;
  }

  /** One look at all pods that have a worker; those of the others are ended as a whole. */
  async look(): Promise<void> {
    const { cgroups, pleg, workers } = this.deps;
    const found = new Map<string, number>();
    for (const { uid, id, path } of await cgroups.containers()) {
      if (!workers.has(uid) || workers.isBusy(uid)) continue;
      const looksWanted = looksAt(pleg.get(uid), id);
      if (looksWanted === undefined) continue;
      const looks = (this.suspects.get(id) ?? 0) + 1;
      found.set(id, looks);
      if (looks >= looksWanted) await this.end(uid, id, path);
    }
    this.suspects = found;
  }

  private async end(uid: string, id: string, path: string): Promise<void> {
    const { cgroups, pleg, workers, log } = this.deps;
    const now = await pleg.refresh(uid);
    if (looksAt(now, id) === undefined || workers.isBusy(uid)) return;
    log.warn({ uid, container: id }, "ending processes of a container that the runtime takes for dead");
    await cgroups.removeContainer(path);
  }
}

/** How many looks such a container takes; undefined for one that may be alive. */
function looksAt({ containers, sandboxes }: RuntimePod, id: string): number | undefined {
  const container = containers.find((one) => one.id === id);
  if (container) return container.state === "exited" ? LOOKS_AT_DEAD : undefined;
  const sandbox = sandboxes.find((one) => one.id === id);
  if (sandbox) return sandbox.ready ? undefined : LOOKS_AT_DEAD;
  return LOOKS_AT_UNKNOWN;
}

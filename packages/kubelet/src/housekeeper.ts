// Repairs what crashes and lost events leave behind: pods without an object, files, cgroups and logs without a pod.
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { PodCgroups } from "./cgroups/pod-cgroups.ts";
import { removeDeadLinks } from "./container-logs/log-paths.ts";
import type { Pleg } from "./pleg.ts";
import type { PodPaths } from "./pod-paths.ts";
import type { PodWorkers } from "./pod-workers.ts";
import type { GarbageCollector } from "./runtime/garbage-collector.ts";
import type { PodKiller } from "./runtime/pod-killer.ts";
import type { RuntimePod } from "./runtime/runtime-pod.ts";
import { runningContainers } from "./runtime/runtime-pod.ts";
import { StrayContainers } from "./runtime/stray-containers.ts";
import type { VolumeManager } from "./volumes/volume-manager.ts";

export interface HousekeeperDeps {
  readonly workers: Pick<PodWorkers, "has" | "active" | "isBusy">;
  readonly pleg: Pick<Pleg, "pods" | "get" | "refresh">;
  readonly killer: Pick<PodKiller, "killPod">;
  readonly collector: GarbageCollector;
  readonly volumes: Pick<VolumeManager, "podsOnDisk" | "tearDown">;
  readonly cgroups: Pick<PodCgroups, "list" | "remove" | "rebalance" | "containers" | "removeContainer">;
  readonly paths: PodPaths;
  readonly clock: Clock;
  readonly log: Logger;
  /** Forgets back-offs that are over. */
  forgetDelays(): void;
}

/** Upstream's housekeeping period. */
const PERIOD_MS = 2000;
/** Every how many periods the slower chores are done. */
const SLOW_EVERY = 30;
/** Every how many periods containers are looked for that run though the runtime takes them for dead. */
const STRAYS_EVERY = 5;

/**
 * Compares what lies on the node with the pods that have a worker, and ends the difference. It needs no memory of
 * what went wrong, so a kubelet that was killed at any point leaves nothing behind for good.
 */
export class Housekeeper {
  private readonly deps: HousekeeperDeps;
  private readonly ending = new Set<string>();
  private readonly strays: StrayContainers;

  constructor(deps: HousekeeperDeps) {
    this.deps = deps;
    this.strays = new StrayContainers(deps);
  }

  /** Works until the signal aborts. Start it once the API's pods and the runtime's are both known. */
  async run(signal: AbortSignal): Promise<void> {
    for (let round = 0; !signal.aborted; round++) {
      try {
        // The first round too: what a killed kubelet left must not wait for one that lives long enough.
        const slow = round % SLOW_EVERY === 0;
        await this.clean(slow ? "any" : "first");
        if (round % STRAYS_EVERY === 0) await this.strays.look();
        if (slow) await this.cleanSlowly();
      } catch (error) {
        this.deps.log.warn({ err: error }, "housekeeping failed, trying again");
      }
      await this.deps.clock.sleep(PERIOD_MS, signal).catch(() => {});
    }
  }

  /** `where` leftovers of cgroups are looked for. */
  async clean(where: "any" | "first" = "any"): Promise<void> {
    const { workers, pleg, volumes, cgroups } = this.deps;
    for (const pod of pleg.pods()) if (!workers.has(pod.uid)) this.endOrphan(pod);
    const inRuntime = new Set(pleg.pods().map((pod) => pod.uid));
    const isGone = (uid: string) => !workers.has(uid) && !inRuntime.has(uid) && !this.ending.has(uid);
    for (const uid of await volumes.podsOnDisk()) if (isGone(uid)) await this.attempt(uid, () => volumes.tearDown(uid));
    for (const uid of await cgroups.list(where)) if (isGone(uid)) await this.attempt(uid, () => cgroups.remove(uid));
    await cgroups.rebalance(workers.active());
  }

  /**
   * Such a pod may have been deleted while the kubelet was down. Killing takes as long as the pod's grace, so the round
   * does not wait.
   */
  private endOrphan(pod: RuntimePod): void {
    if (this.ending.has(pod.uid)) return;
    this.ending.add(pod.uid);
    this.attempt(pod.uid, () => this.killAndPurge(pod)).finally(() => this.ending.delete(pod.uid));
  }

  private async killAndPurge(pod: RuntimePod): Promise<void> {
    const { killer, collector, volumes, cgroups, pleg, paths, log } = this.deps;
    log.info({ pod: `${pod.namespace}/${pod.name}`, uid: pod.uid }, "ending a pod that the API does not have");
    await killer.killPod(undefined, pod, { reason: "Terminating" });
    const left = await pleg.refresh(pod.uid);
    // Volumes must not vanish under a container that did not stop: the next round tries again.
    if (runningContainers(left).length > 0) return;
    await volumes.tearDown(pod.uid);
    await cgroups.remove(pod.uid);
    await collector.purge(left, paths.podLogsOf(pod.namespace, pod.name, pod.uid));
    await pleg.refresh(pod.uid);
  }

  private async cleanSlowly(): Promise<void> {
    const { pleg, workers, collector } = this.deps;
    this.deps.forgetDelays();
    for (const pod of pleg.pods()) {
      if (workers.has(pod.uid)) await this.attempt(pod.uid, () => collector.trim(pod));
    }
    await this.attempt("", () => collector.trimNode(pleg.pods()));
    await this.removeOrphanLogs();
    await removeDeadLinks(this.deps.paths.logLinks, this.deps.paths.logRoot);
  }

  private async removeOrphanLogs(): Promise<void> {
    const { paths, workers, pleg } = this.deps;
    const inRuntime = new Set(pleg.pods().map((pod) => pod.uid));
    for (const name of await readdir(paths.logRoot).catch(() => [])) {
      // namespace_name_uid: none of the three may hold an underscore.
      const uid = name.split("_")[2];
      if (!uid || workers.has(uid) || inRuntime.has(uid)) continue;
      await rm(join(paths.logRoot, name), { recursive: true, force: true });
    }
  }

  private async attempt(uid: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.deps.log.warn({ err: error, uid }, "leftovers of a pod could not be removed, trying again");
    }
  }
}

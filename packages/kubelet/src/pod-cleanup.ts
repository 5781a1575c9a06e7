// Gives back what a pod held on the node: first what only running containers need, and at the end everything.
import type { PodResizer } from "./allocation/pod-resizer.ts";
import type { PodCgroups } from "./cgroups/pod-cgroups.ts";
import type { Pleg } from "./pleg.ts";
import type { PodPaths } from "./pod-paths.ts";
import type { ProbeManager } from "./probes/probe-manager.ts";
import type { ResourceManagers } from "./resource-managers/resource-managers.ts";
import type { GarbageCollector } from "./runtime/garbage-collector.ts";
import type { ObjectCache } from "./volumes/object-cache.ts";
import type { TokenManager } from "./volumes/token-manager.ts";
import type { VolumeManager } from "./volumes/volume-manager.ts";

export interface PodCleanupDeps {
  readonly volumes: Pick<VolumeManager, "tearDown">;
  readonly cgroups: Pick<PodCgroups, "remove">;
  readonly objects: Pick<ObjectCache, "unregister">;
  readonly tokens: Pick<TokenManager, "forget">;
  readonly probes: Pick<ProbeManager, "remove">;
  readonly pleg: Pick<Pleg, "get" | "refresh">;
  readonly collector: Pick<GarbageCollector, "purge">;
  readonly paths: PodPaths;
  readonly resizer: Pick<PodResizer, "forget">;
  readonly resources: Pick<ResourceManagers, "release">;
}

/**
 * In two steps, because `kubectl logs` must work for a pod that has ended until its object is deleted, while its
 * volumes and resources must be free for others at once.
 */
export class PodCleanup {
  private readonly deps: PodCleanupDeps;

  constructor(deps: PodCleanupDeps) {
    this.deps = deps;
  }

  /** Volumes, cgroup and watches; the containers stay for their logs. */
  async release(uid: string): Promise<void> {
    const { volumes, cgroups, objects, tokens, probes, resizer, resources } = this.deps;
    await volumes.tearDown(uid);
    await cgroups.remove(uid);
    objects.unregister(uid);
    tokens.forget(uid);
    probes.remove(uid);
    resources.release(uid);
    resizer.forget(uid);
  }

  /** Containers, sandboxes and logs. */
  async purge(uid: string, pod: { readonly namespace: string; readonly name: string }): Promise<void> {
    const { pleg, collector, paths } = this.deps;
    const logs = paths.podLogsOf(pod.namespace, pod.name, uid);
    await collector.purge(pleg.get(uid), logs);
    // The first removal went by the cache, which may lack what was made last.
    const left = await pleg.refresh(uid);
    if (left.sandboxes.length + left.containers.length === 0) return;
    await collector.purge(left, logs);
    await pleg.refresh(uid);
  }
}

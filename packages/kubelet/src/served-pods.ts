// The node's pods as its API shows them: each with the newest status that was worked out for it.
import type { Pod } from "@skiff/api/types.ts";
import type { PodWorkers } from "./pod-workers.ts";
import type { PodSource } from "./server/deps.ts";
import type { MirrorPods } from "./static-pods/mirror-pods.ts";
import type { StatusManager } from "./status/status-manager.ts";

export interface ServedPodsDeps {
  readonly workers: Pick<PodWorkers, "pods" | "has" | "get" | "find">;
  readonly statuses: Pick<StatusManager, "current">;
  readonly mirrors: Pick<MirrorPods, "staticUidOf">;
}

/** Statuses come from the status manager rather than from the API: what /pods shows must not lag behind by a write. */
export class ServedPods implements PodSource {
  private readonly deps: ServedPodsDeps;

  constructor(deps: ServedPodsDeps) {
    this.deps = deps;
  }

  list(): Readonly<Pod>[] {
    return this.deps.workers.pods().map((pod) => this.withStatus(pod));
  }

  find(namespace: string, name: string, uid?: string): Readonly<Pod> | undefined {
    const { workers, mirrors } = this.deps;
    // The API knows a static pod by its mirror's UID.
    const own = uid && !workers.has(uid) ? mirrors.staticUidOf(uid) : uid;
    const pod = own ? workers.get(own) : workers.find(namespace, name);
    if (!pod || pod.metadata.namespace !== namespace || pod.metadata.name !== name) return undefined;
    return this.withStatus(pod);
  }

  private withStatus(pod: Readonly<Pod>): Readonly<Pod> {
    return { ...pod, status: this.deps.statuses.current(pod) };
  }
}

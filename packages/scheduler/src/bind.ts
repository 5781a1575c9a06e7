// The acting half of a scheduling cycle: Reserve, Permit, PreBind, Bind, PostBind, and the way back.
import type { SchedulerCache } from "./cache/scheduler-cache.ts";
import type { CycleState } from "./framework/cycle-state.ts";
import type { Framework, NamedRefusal } from "./framework/framework.ts";
import type { PodInfo } from "./framework/pod-info.ts";
import type { SchedulingQueue } from "./queue/scheduling-queue.ts";

/** A plugin's late no. */
export interface LateRefusal {
  readonly message: string;
  readonly refusedBy: ReadonlySet<string>;
}

export interface BinderDeps {
  readonly framework: Framework;
  readonly cache: SchedulerCache;
  readonly queue: SchedulingQueue;
}

/** Whatever happens here, the cache ends up as if the pod had been bound or never tried. */
export class Binder {
  private readonly deps: BinderDeps;

  constructor(deps: BinderDeps) {
    this.deps = deps;
  }

  /** Binds a pod that the cache assumes on the node; undoes that when a plugin refuses (returned) or fails (thrown). */
  async bind(state: CycleState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<LateRefusal | undefined> {
    const { framework } = this.deps;
    try {
      const refusal =
        framework.runReserve(state, pod, nodeName) ?? (await framework.runPermit(state, pod, nodeName, signal));
      if (refusal) {
        this.undo(state, pod, nodeName);
        return lateRefusal(refusal);
      }
      await framework.runBind(pod, nodeName, signal);
      return undefined;
    } catch (error) {
      this.undo(state, pod, nodeName);
      throw new Error(`binding rejected: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }

  /** As if never tried. The binding may have gone through all the same: then the watch shows it, and the cache follows. */
  private undo(state: CycleState, pod: PodInfo, nodeName: string): void {
    this.deps.framework.runUnreserve(state, pod, nodeName);
    this.deps.cache.forget(pod.key);
    // What was set aside is free again, which others may wait for.
    this.deps.queue.move({ name: "AssignedPod/Delete", pod });
  }
}

function lateRefusal({ plugin, refusal }: NamedRefusal): LateRefusal {
  return { message: refusal.reasons.join(", "), refusedBy: new Set([plugin]) };
}

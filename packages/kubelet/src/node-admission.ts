// Judges the pods that come to this node, one after the other, and makes room for critical ones.
import type { Node, Pod } from "@skiff/api/types.ts";
import type { Clock } from "@skiff/component-base/clock.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { Admission } from "./admit-pod.ts";
import { admitPod } from "./admit-pod.ts";
import type { KnownNode } from "./node/known-node.ts";
import type { PodWorkers } from "./pod-workers.ts";
import type { PreemptionDeps } from "./preemption/preempt-pods.ts";
import { admitOrPreempt } from "./preemption/preempt-pods.ts";
import type { ResourceManagers } from "./resource-managers/resource-managers.ts";

export interface NodeAdmissionDeps {
  readonly node: Pick<KnownNode, "lookAgainFor"> & { readonly current: Readonly<Node> | undefined };
  readonly resources: Pick<ResourceManagers, "counts" | "allocate">;
  readonly preemptions: PreemptionDeps["preemptions"];
  readonly hasAppArmor: boolean;
  readonly allowedSysctls: readonly string[];
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Logger;
  /** Made after this. */
  workers(): Pick<PodWorkers, "admitted" | "evict">;
  allocatable(): Readonly<Record<string, string>>;
  pressures(): readonly string[];
  isShuttingDown(): boolean;
}

/**
 * A pod's turn lasts from the check until its resources are set aside and others see it as admitted. Else two critical pods
 * could displace the same victims, and each be let in by the room that the other takes.
 */
export class NodeAdmission {
  private readonly deps: NodeAdmissionDeps;
  private last: Promise<unknown> = Promise.resolve();

  constructor(deps: NodeAdmissionDeps) {
    this.deps = deps;
  }

  /** In the order of asking; a failure does not hold up those behind it. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.last.then(work);
    this.last = mine.catch(() => {});
    return mine;
  }

  /** A pod that is new here may displace others, where it is critical. */
  admit(pod: Readonly<Pod>, isNew: boolean): Admission | Promise<Admission> {
    const answer = this.judge(pod);
    return answer.admitted || !isNew ? answer : this.admitOrPreempt(pod);
  }

  /** Sets devices and the like aside. */
  allocate(pod: Readonly<Pod>): Promise<Admission> {
    return this.deps.resources.allocate(pod);
  }

  /** By what is known now; displaces nobody. */
  judge(pod: Readonly<Pod>): Admission {
    const { deps } = this;
    return admitPod(pod, {
      others: deps.workers().admitted(pod.metadata.uid ?? ""),
      node: deps.node.current,
      allocatable: deps.allocatable(),
      pressures: deps.pressures(),
      isShuttingDown: deps.isShuttingDown(),
      hasAppArmor: deps.hasAppArmor,
      allowedSysctls: deps.allowedSysctls,
      isCounted: (resource) => deps.resources.counts(resource),
    });
  }

  private async admitOrPreempt(pod: Readonly<Pod>): Promise<Admission> {
    const { node, preemptions, clock, log, workers } = this.deps;
    await node.lookAgainFor(pod);
    return admitOrPreempt(pod, { workers: workers(), admit: (one) => this.judge(one), preemptions, clock, log });
  }
}

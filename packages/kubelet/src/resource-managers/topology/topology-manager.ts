// Has every manager set a pod's resources aside on NUMA nodes that suit all of them, as the policy asks.
import type { Container, Pod } from "@skiff/api/types.ts";
import { notAligned, unexpected } from "../admission.ts";
import type { ResourceProvider } from "../resource-provider.ts";
import type { NumaView, TopologyPolicy } from "./merge-hints.ts";
import { mergeHints } from "./merge-hints.ts";
import type { NumaMask } from "./numa-mask.ts";

/** With the scope `pod` all containers of a pod share one choice of nodes. */
export interface TopologyOptions {
  readonly policy: TopologyPolicy;
  readonly scope: "container" | "pod";
  readonly numa: NumaView;
}

/**
 * Asks all managers for their hints before any of them gives something out: a GPU and the processors beside it must
 * come from one node together.
 */
export class TopologyManager {
  private readonly options: TopologyOptions;
  private readonly providers: readonly ResourceProvider[];

  constructor(options: TopologyOptions, providers: readonly ResourceProvider[]) {
    this.options = options;
    this.providers = providers;
  }

  /** Throws an AllocationError, after giving back what the pod had got by then. */
  async allocate(pod: Readonly<Pod>): Promise<void> {
    const { policy, scope } = this.options;
    try {
      const shared = policy !== "none" && scope === "pod" ? this.podAffinity(pod) : undefined;
      for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
        const own = policy !== "none" && scope === "container" ? this.affinity(pod, container) : shared;
        await this.allocateOne(pod, container, own);
      }
    } catch (error) {
      for (const provider of this.providers) provider.release(pod.metadata.uid ?? "");
      throw error;
    }
  }

  private async allocateOne(pod: Readonly<Pod>, container: Container, affinity: NumaMask | undefined): Promise<void> {
    for (const provider of this.providers) {
      try {
        await provider.allocate(pod, container, affinity);
      } catch (error) {
        throw error instanceof Error && "reason" in error ? error : unexpected((error as Error).message);
      }
    }
  }

  private affinity(pod: Readonly<Pod>, container: Container): NumaMask | undefined {
    return this.merged(this.providers.map((provider) => provider.hints(pod, container)));
  }

  private podAffinity(pod: Readonly<Pod>): NumaMask | undefined {
    return this.merged(this.providers.map((provider) => provider.podHints(pod)));
  }

  private merged(hints: Parameters<typeof mergeHints>[1]): NumaMask | undefined {
    const { policy, numa } = this.options;
    const { hint, admitted } = mergeHints(policy, hints, numa);
    if (!admitted) throw notAligned();
    return hint.nodes;
  }
}

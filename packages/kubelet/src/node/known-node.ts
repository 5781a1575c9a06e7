// The node's object as the kubelet last saw it, and the addresses for pods that it brings.
import type { Node } from "@skiff/api/types.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import type { CriClient } from "../cri/cri-client.ts";

export interface KnownNodeDeps {
  readonly cri: Pick<CriClient, "updatePodCidr">;
  readonly log: Logger;
  /** Where the API does not say. */
  readonly podCidr: string;
}

export class KnownNode {
  private readonly deps: KnownNodeDeps;
  private node: Readonly<Node> | undefined;
  private podCidr = "";

  constructor(deps: KnownNodeDeps) {
    this.deps = deps;
  }

  /** Undefined right after the start. */
  get current(): Readonly<Node> | undefined {
    return this.node;
  }

  learn(node: Readonly<Node>): void {
    this.node = node;
    const podCidr = node.spec?.podCIDR || this.deps.podCidr;
    if (!podCidr || podCidr === this.podCidr) return;
    this.podCidr = podCidr;
    this.deps.cri.updatePodCidr(podCidr).catch((error) => {
      this.podCidr = "";
      this.deps.log.warn({ err: error, podCidr }, "runtime did not take the pod CIDR");
    });
  }
}

// The node's object as the kubelet last saw it, and the addresses for pods that it brings.
import { nodes } from "@skiff/api/resource-ref.ts";
import type { Node, Pod } from "@skiff/api/types.ts";
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { Logger } from "@skiff/component-base/logger.ts";
import { isMisplaced } from "../admit-pod.ts";
import type { KubeletConfig } from "../config.ts";
import type { CriClient } from "../cri/cri-client.ts";

export interface KnownNodeDeps {
  readonly cri: Pick<CriClient, "updatePodCidr">;
  readonly log: Logger;
  readonly client: Pick<RestClient, "of">;
  /** Its pod CIDR counts where the API does not say. */
  readonly config: Pick<KubeletConfig, "nodeName" | "pod-cidr">;
  readonly signal: AbortSignal;
}

/** The node's agent brings the object with each of its own writes; between those it may be out of date. */
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

  /**
   * Looks again where the object as it is known turns the pod away: the scheduler may have seen a label come or a taint go
   * before this kubelet did.
   */
  async lookAgainFor(pod: Readonly<Pod>): Promise<void> {
    if (!isMisplaced(pod, this.node)) return;
    const { client, config, signal, log } = this.deps;
    try {
      this.learn(await client.of(nodes).get("", config.nodeName, { signal }));
    } catch (error) {
      log.warn({ err: error }, "node could not be read anew, judging a pod by what is known");
    }
  }

  /** Takes a newer object, and passes a new pod CIDR on to the runtime. */
  learn(node: Readonly<Node>): void {
    this.node = node;
    const podCidr = node.spec?.podCIDR || this.deps.config["pod-cidr"];
    if (!podCidr || podCidr === this.podCidr) return;
    this.podCidr = podCidr;
    this.deps.cri.updatePodCidr(podCidr).catch((error) => {
      this.podCidr = "";
      this.deps.log.warn({ err: error, podCidr }, "runtime did not take the pod CIDR");
    });
  }
}

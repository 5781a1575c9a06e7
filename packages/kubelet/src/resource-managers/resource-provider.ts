// What the topology manager asks of each manager of some kind of resource.
import type { Container, Pod } from "@skiff/api/types.ts";
import type { HintsByResource } from "./topology/merge-hints.ts";
import type { NumaMask } from "./topology/numa-mask.ts";

/** Devices, processors and memory alike. */
export interface ResourceProvider {
  /** Where the container's part could come from. */
  hints(pod: Readonly<Pod>, container: Container): HintsByResource;
  /** The same for all containers of the pod together. */
  podHints(pod: Readonly<Pod>): HintsByResource;
  /** Sets the container's part aside, from `affinity` as far as it goes; throws where there is not enough. */
  allocate(pod: Readonly<Pod>, container: Container, affinity: NumaMask | undefined): void | Promise<void>;
  /** Gives back what the pod had. */
  release(podUid: string): void;
}

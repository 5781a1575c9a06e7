// The extension points of a scheduling cycle, by upstream's names. A plugin is a plain object that has some of them.
import type { RestClient } from "@skiff/client/rest-client.ts";
import type { NodeInfo } from "../cache/node-info.ts";
import type { Snapshot } from "../cache/snapshot.ts";
import type { QueuedPod } from "../queue/queued-pod.ts";
import type { ClusterEvent, ClusterEventName } from "./cluster-event.ts";
import type { CycleState } from "./cycle-state.ts";
import type { PodInfo } from "./pod-info.ts";

/** What a plugin says about a pod, or a pod on a node. */
export type Verdict =
  | { readonly fits: true }
  | {
      readonly fits: false;
      /** In upstream's words; each is counted over the nodes in the pod's message. */
      readonly reasons: readonly string[];
      /** Evicting other pods would not help: upstream's UnschedulableAndUnresolvable. */
      readonly unresolvable: boolean;
    };

export type Refusal = Extract<Verdict, { fits: false }>;

export const FITS: Verdict = Object.freeze({ fits: true });

/** No, but it might fit if other pods were gone. `reasons` in upstream's words. */
export function refuse(...reasons: string[]): Refusal {
  return { fits: false, reasons, unresolvable: false };
}

/** No, whatever pods go. */
export function refuseForGood(...reasons: string[]): Refusal {
  return { fits: false, reasons, unresolvable: true };
}

/** `skip`: this plugin has nothing to say in this cycle. `nodes`: only these can be right. */
export type PreFilterResult = Verdict | { readonly skip: true } | { readonly nodes: ReadonlySet<string> };

/** Why a pod that the plugin refused may fit after an event. */
export interface QueueingHint {
  readonly event: ClusterEventName;
  /** Absent: every such event is worth a try. */
  isWorthATry?(pod: PodInfo, event: ClusterEvent): boolean;
}

/** What plugins that act, not only judge, may use. */
export interface FrameworkHandle {
  readonly client: Pick<RestClient, "of">;
}

export interface Plugin {
  readonly name: string;
  /** The events after which a pod that this plugin refused comes back; none: only time brings it back. */
  readonly hints?: readonly QueueingHint[];
}

export interface PreEnqueuePlugin extends Plugin {
  /** A refused pod is not even tried. */
  preEnqueue(pod: PodInfo): Verdict;
}

export interface QueueSortPlugin extends Plugin {
  /** Negative when `a` goes first. */
  compareInQueue(a: QueuedPod, b: QueuedPod): number;
}

export interface PreFilterPlugin extends Plugin {
  /** Once per cycle: what does not depend on the node is computed here and kept in `state`. */
  preFilter(state: CycleState, pod: PodInfo, snapshot: Snapshot): PreFilterResult;
}

export interface FilterPlugin extends Plugin {
  /** Asked for one pod and up to every node: no I/O, and nothing that grows with the cluster. */
  filter(pod: PodInfo, node: NodeInfo, state: CycleState): Verdict;
}

export interface PostFilterPlugin extends Plugin {
  /** Tries to make room for a pod that fits nowhere; its message ends the pod's. */
  postFilter(state: CycleState, pod: PodInfo, refusals: ReadonlyMap<string, Refusal>): { readonly message: string };
}

export interface PreScorePlugin extends Plugin {
  preScore(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): "score" | "skip";
}

export interface ScorePlugin extends Plugin {
  /** Any number when there is a `normalizeScores`, else 0 to 100. */
  score(pod: PodInfo, node: NodeInfo, state: CycleState, snapshot: Snapshot): number;
  /** Brings the scores of all nodes to 0 to 100, in place. */
  normalizeScores?(scores: number[]): void;
}

export interface ReservePlugin extends Plugin {
  reserve(state: CycleState, pod: PodInfo, nodeName: string): Verdict;
  /** Must be harmless when nothing was reserved. */
  unreserve(state: CycleState, pod: PodInfo, nodeName: string): void;
}

export interface PermitPlugin extends Plugin {
  /** May hold the pod back for a while. */
  permit(state: CycleState, pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<Verdict>;
}

export interface PreBindPlugin extends Plugin {
  /** What must stand before the pod may start, such as a volume. Throws to refuse; repeated with the next try. */
  preBind(pod: PodInfo, nodeName: string, handle: FrameworkHandle, signal: AbortSignal): Promise<void>;
}

export interface BindPlugin extends Plugin {
  /** "skip" leaves the pod to the next one. */
  bind(pod: PodInfo, nodeName: string, handle: FrameworkHandle, signal: AbortSignal): Promise<"bound" | "skip">;
}

export interface PostBindPlugin extends Plugin {
  /** For the record: the pod is bound whatever happens here. */
  postBind(pod: PodInfo, nodeName: string): void;
}

export const MAX_NODE_SCORE = 100;

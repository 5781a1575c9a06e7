// The plugins in force, run extension point by extension point.

import type { NodeInfo } from "../cache/node-info.ts";
import type { Snapshot } from "../cache/snapshot.ts";
import type { QueuedPod } from "../queue/queued-pod.ts";
import type { ClusterEvent, ClusterEventName } from "./cluster-event.ts";
import type { CycleState } from "./cycle-state.ts";
import type {
  BindPlugin,
  FilterPlugin,
  FrameworkHandle,
  PermitPlugin,
  Plugin,
  PostBindPlugin,
  PostFilterPlugin,
  PreBindPlugin,
  PreEnqueuePlugin,
  PreFilterPlugin,
  PreScorePlugin,
  QueueingHint,
  QueueSortPlugin,
  Refusal,
  ReservePlugin,
  ScorePlugin,
} from "./plugin.ts";
import { MAX_NODE_SCORE, refuseForGood } from "./plugin.ts";
import type { PodInfo } from "./pod-info.ts";

/** A plugin and the weight of its scores, 1 unless told. */
export interface PluginEntry {
  readonly plugin: Plugin;
  readonly weight?: number;
}

/** A refusal and who spoke it. */
export interface NamedRefusal {
  readonly plugin: string;
  readonly refusal: Refusal;
}

/** `nodes`: undefined when all are to be looked at. `narrowedBy`: the plugins that left some out. */
export type PreFilterOutcome =
  | { readonly refusedBy: NamedRefusal }
  | { readonly nodes: ReadonlySet<string> | undefined; readonly narrowedBy: readonly string[] };

/** Weighted scores of each plugin, in the order of the nodes. */
export type PluginScores = ReadonlyMap<string, readonly number[]>;

/** Which plugin has which extension point is sorted out once, at start; a wrong list of plugins stops the program there. */
export class Framework {
  private readonly weights = new Map<string, number>();
  /** Upstream's queueing hints, by event: most events concern no pending pod, and are dismissed with one look. */
  private readonly hints = new Map<ClusterEventName, { plugin: string; hint: QueueingHint }[]>();
  private readonly handle: FrameworkHandle;
  private readonly queueSort: QueueSortPlugin;
  private readonly preEnqueues: readonly PreEnqueuePlugin[];
  private readonly preFilters: readonly PreFilterPlugin[];
  private readonly filters: readonly FilterPlugin[];
  private readonly postFilters: readonly PostFilterPlugin[];
  private readonly preScores: readonly PreScorePlugin[];
  private readonly scores: readonly ScorePlugin[];
  private readonly reserves: readonly ReservePlugin[];
  private readonly permits: readonly PermitPlugin[];
  private readonly preBinds: readonly PreBindPlugin[];
  private readonly binds: readonly BindPlugin[];
  private readonly postBinds: readonly PostBindPlugin[];

  constructor(entries: readonly PluginEntry[], handle: FrameworkHandle) {
    this.handle = handle;
    for (const { plugin, weight = 1 } of entries) {
      if (this.weights.has(plugin.name)) throw new Error(`plugin ${plugin.name} is listed twice`);
      this.weights.set(plugin.name, weight);
      for (const hint of plugin.hints ?? []) {
        this.hints.set(hint.event, [...(this.hints.get(hint.event) ?? []), { plugin: plugin.name, hint }]);
      }
    }
    const plugins = entries.map((entry) => entry.plugin);
    const having = <P extends Plugin>(point: keyof P) => plugins.filter((plugin): plugin is P => point in plugin);
    const sorts = having<QueueSortPlugin>("compareInQueue");
    if (!sorts[0] || sorts.length > 1) throw new Error(`one queue sort plugin is wanted, not ${sorts.length}`);
    this.queueSort = sorts[0];
    this.preEnqueues = having<PreEnqueuePlugin>("preEnqueue");
    this.preFilters = having<PreFilterPlugin>("preFilter");
    this.filters = having<FilterPlugin>("filter");
    this.postFilters = having<PostFilterPlugin>("postFilter");
    this.preScores = having<PreScorePlugin>("preScore");
    this.scores = having<ScorePlugin>("score");
    this.reserves = having<ReservePlugin>("reserve");
    this.permits = having<PermitPlugin>("permit");
    this.preBinds = having<PreBindPlugin>("preBind");
    this.binds = having<BindPlugin>("bind");
    this.postBinds = having<PostBindPlugin>("postBind");
  }

  compareInQueue(a: QueuedPod, b: QueuedPod): number {
    return this.queueSort.compareInQueue(a, b);
  }

  /** The name of the plugin that does not let the pod be tried; undefined when all do. */
  preEnqueue(pod: PodInfo): string | undefined {
    return this.preEnqueues.find((plugin) => !plugin.preEnqueue(pod).fits)?.name;
  }

  /** Whether any plugin waits for such events. A new node always counts: without any node, nobody refused by name. */
  isHeeded(event: ClusterEventName): boolean {
    return this.hints.has(event) || event === "Node/Add";
  }

  /** Whether the event may have changed the mind of a plugin that refused the pod. */
  isWorthATry(pod: QueuedPod, event: ClusterEvent): boolean {
    if (pod.refusedBy.size === 0) return true;
    const hints = this.hints.get(event.name) ?? [];
    return hints.some(({ plugin, hint }) => pod.refusedBy.has(plugin) && (hint.isWorthATry?.(pod.info, event) ?? true));
  }

  /** Each plugin may refuse the pod outright, leave nodes out, or bow out of Filter for this cycle (`state.skippedFilters`). */
  runPreFilter(state: CycleState, pod: PodInfo, snapshot: Snapshot): PreFilterOutcome {
    let nodes: ReadonlySet<string> | undefined;
    const narrowedBy: string[] = [];
    for (const plugin of this.preFilters) {
      const result = plugin.preFilter(state, pod, snapshot);
      if ("skip" in result) state.skippedFilters.add(plugin.name);
      else if ("nodes" in result) {
        nodes = nodes ? nodes.intersection(result.nodes) : result.nodes;
        narrowedBy.push(plugin.name);
        if (nodes.size === 0) return { refusedBy: { plugin: plugin.name, refusal: noNodesLeft(narrowedBy) } };
      } else if (!result.fits) return { refusedBy: { plugin: plugin.name, refusal: result } };
    }
    return { nodes, narrowedBy };
  }

  /** The first refusal of the pod on the node; undefined when it fits. */
  runFilter(state: CycleState, pod: PodInfo, node: NodeInfo): NamedRefusal | undefined {
    for (const plugin of this.filters) {
      if (state.skippedFilters.has(plugin.name)) continue;
      const verdict = plugin.filter(pod, node, state);
      if (!verdict.fits) return { plugin: plugin.name, refusal: verdict };
    }
    return undefined;
  }

  /** The messages of those who tried to make room. */
  runPostFilter(state: CycleState, pod: PodInfo, refusals: ReadonlyMap<string, Refusal>): string {
    return this.postFilters.map((plugin) => plugin.postFilter(state, pod, refusals).message).join(" ");
  }

  /** Plugins that have nothing to say about these nodes bow out of Score for this cycle (`state.skippedScores`). */
  runPreScore(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[]): void {
    for (const plugin of this.preScores) {
      if (plugin.preScore(state, pod, nodes) === "skip") state.skippedScores.add(plugin.name);
    }
  }

  /** Weighted. Throws when a plugin gives less than 0 or more than 100: it would silently outvote all others. */
  runScore(state: CycleState, pod: PodInfo, nodes: readonly NodeInfo[], snapshot: Snapshot): PluginScores {
    const all = new Map<string, readonly number[]>();
    for (const plugin of this.scores) {
      if (state.skippedScores.has(plugin.name)) continue;
      const scores = nodes.map((node) => plugin.score(pod, node, state, snapshot));
      plugin.normalizeScores?.(scores);
      const weight = this.weights.get(plugin.name) ?? 1;
      all.set(
        plugin.name,
        scores.map((score) => checkedScore(plugin.name, score) * weight),
      );
    }
    return all;
  }

  /** Undone by `runUnreserve`, which the caller owes after a refusal too. */
  runReserve(state: CycleState, pod: PodInfo, nodeName: string): NamedRefusal | undefined {
    for (const plugin of this.reserves) {
      const verdict = plugin.reserve(state, pod, nodeName);
      if (!verdict.fits) return { plugin: plugin.name, refusal: verdict };
    }
    return undefined;
  }

  /** In reverse, so that a plugin may rely on those before it until it is done. */
  runUnreserve(state: CycleState, pod: PodInfo, nodeName: string): void {
    for (const plugin of this.reserves.toReversed()) plugin.unreserve(state, pod, nodeName);
  }

  /** The last word before the binding, which may take its time: the next pods are decided meanwhile. */
  async runPermit(
    state: CycleState,
    pod: PodInfo,
    nodeName: string,
    signal: AbortSignal,
  ): Promise<NamedRefusal | undefined> {
    for (const plugin of this.permits) {
      const verdict = await plugin.permit(state, pod, nodeName, signal);
      if (!verdict.fits) return { plugin: plugin.name, refusal: verdict };
    }
    return undefined;
  }

  /** PreBind, Bind and PostBind; throws when the pod could not be bound. */
  async runBind(pod: PodInfo, nodeName: string, signal: AbortSignal): Promise<void> {
    for (const plugin of this.preBinds) await plugin.preBind(pod, nodeName, this.handle, signal);
    for (const plugin of this.binds) {
      if ((await plugin.bind(pod, nodeName, this.handle, signal)) === "skip") continue;
      for (const after of this.postBinds) after.postBind(pod, nodeName);
      return;
    }
    throw new Error("no bind plugin took the pod");
  }
}

/** Scores of 0 to 100 in proportion to the largest; `reverse` gives the largest the least. */
export function normalizeByMaximum(scores: number[], reverse = false): void {
  const largest = scores.reduce((max, score) => Math.max(max, score), 0);
  scores.forEach((score, index) => {
    const share = largest === 0 ? 0 : Math.floor((MAX_NODE_SCORE * score) / largest);
    scores[index] = reverse ? MAX_NODE_SCORE - share : share;
  });
}

function noNodesLeft(plugins: readonly string[]): Refusal {
  const names = `[${plugins.join(" ")}]`;
  if (plugins.length === 1) return refuseForGood(`node(s) didn't satisfy plugin(s) ${names}`);
  return refuseForGood(`node(s) didn't satisfy plugin(s) ${names} simultaneously`);
}

function checkedScore(plugin: string, score: number): number {
  if (score >= 0 && score <= MAX_NODE_SCORE) return score;
  throw new Error(`plugin ${plugin} gave the score ${score}, which is not within 0 to ${MAX_NODE_SCORE}`);
}

// The deciding half of a scheduling cycle: from a pod and a snapshot to the best node, or to what every node lacks.
import type { NodeInfo } from "./cache/node-info.ts";
import type { Snapshot } from "./cache/snapshot.ts";
import type { Decision, Reasons, RefusedNodes } from "./decision.ts";
import { refusingPlugins, unschedulableMessage } from "./decision.ts";
import type { CycleState } from "./framework/cycle-state.ts";
import type { Framework, PluginScores } from "./framework/framework.ts";
import type { Refusal } from "./framework/plugin.ts";
import type { PodInfo } from "./framework/pod-info.ts";

/** Below this many nodes all are looked at: upstream's minFeasibleNodesToFind. */
const MIN_FEASIBLE_NODES = 100;

/** Keeps nothing but the place of the next search: the same pod and snapshot give the same verdicts. */
export class NodeFinder {
  private readonly framework: Framework;
  private readonly random: () => number;
  /** Where the next search starts, so that all nodes get their turn. */
  private start = 0;

  constructor(framework: Framework, random: () => number = Math.random) {
    this.framework = framework;
    this.random = random;
  }

  /** Synchronous: nothing changes under it. */
  decide(state: CycleState, pod: PodInfo, snapshot: Snapshot): Decision {
    const nodeCount = snapshot.nodes.length;
    const none = { nodeCount, narrowedBy: [], leftOut: 0, refused: [], feasible: [], scores: NO_SCORES };
    if (nodeCount === 0) return failed(none);
    const before = this.framework.runPreFilter(state, pod, snapshot);
    if ("refusedBy" in before) return failed({ ...none, refusedBy: before.refusedBy });
    const { narrowedBy } = before;
    const { feasible, refused, leftOut } = this.filter(state, pod, snapshot, before.nodes);
    const reasons = { ...none, narrowedBy, refused, leftOut, feasible: feasible.map((node) => node.name) };
    const [first] = feasible;
    if (!first) return failed(reasons, this.framework.runPostFilter(state, pod, byNode(refused)));
    // Nothing to compare, so nobody is asked to score.
    if (feasible.length === 1) return { nodeName: first.name, reasons };
    this.framework.runPreScore(state, pod, feasible);
    const scores = this.framework.runScore(state, pod, feasible, snapshot);
    const best = pickBest(totals(scores, feasible.length), this.random);
    return { nodeName: (feasible[best] ?? first).name, reasons: { ...reasons, scores } };
  }

  private filter(
    state: CycleState,
    pod: PodInfo,
    snapshot: Snapshot,
    only: ReadonlySet<string> | undefined,
  ): { feasible: NodeInfo[]; refused: RefusedNodes[]; leftOut: number } {
    const nodes = only
      ? [...only].map((name) => snapshot.get(name)).filter((node) => node !== undefined)
      : snapshot.nodes;
    const wanted = feasibleNodesWanted(nodes.length);
    const feasible: NodeInfo[] = [];
    const groups = new Map<string, RefusedNodes>();
    let looked = 0;
    for (; looked < nodes.length && feasible.length < wanted; looked++) {
      const node = nodes[(this.start + looked) % nodes.length];
      if (!node) break;
      const refusal = this.framework.runFilter(state, pod, node);
      if (!refusal) feasible.push(node);
      else addTo(groups, refusal.plugin, refusal.refusal, node.name);
    }
    // A pod that looked at a few named nodes only says nothing about where the next search should start.
    if (!only) this.start = (this.start + looked) % nodes.length;
    return { feasible, refused: [...groups.values()], leftOut: only ? snapshot.nodes.length - nodes.length : 0 };
  }
}

const NO_SCORES: PluginScores = new Map();

/**
 * How many fitting nodes are enough: all of up to 100, then from half down to a twentieth, as upstream's numFeasibleNodesToFind
 * (minFeasibleNodesPercentageToFind is 5). In a large cluster a good node soon is worth more than the best one late.
 */
export function feasibleNodesWanted(nodeCount: number): number {
  if (nodeCount < MIN_FEASIBLE_NODES) return nodeCount;
  const percentage = Math.max(5, 50 - Math.floor(nodeCount / 125));
  return Math.max(MIN_FEASIBLE_NODES, Math.floor((nodeCount * percentage) / 100));
}

/** The place of the largest number; one of them at random if there are several. */
export function pickBest(scores: readonly number[], random: () => number): number {
  let best = 0;
  let ties = 1;
  for (let place = 1; place < scores.length; place++) {
    const difference = (scores[place] ?? 0) - (scores[best] ?? 0);
    if (difference > 0) {
      best = place;
      ties = 1;
      // The n-th of equals wins with a chance of 1/n, which gives each of them the same chance in one pass.
    } else if (difference === 0 && random() * ++ties < 1) {
      best = place;
    }
  }
  return best;
}

function totals(scores: PluginScores, count: number): number[] {
  const sums = new Array<number>(count).fill(0);
  for (const ofPlugin of scores.values()) {
    for (const [place, score] of ofPlugin.entries()) sums[place] = (sums[place] ?? 0) + score;
  }
  return sums;
}

function failed(reasons: Reasons, afterword = ""): Decision {
  const message = unschedulableMessage(reasons);
  const refusedBy = refusingPlugins(reasons);
  return { reasons, refusedBy, message: afterword ? `${message} ${afterword}` : message };
}

/** One entry for all nodes with the same words: five thousand refusals are mostly two or three reasons. */
function addTo(groups: Map<string, RefusedNodes>, plugin: string, { reasons }: Refusal, node: string): void {
  const key = reasons.length === 1 ? plugin + reasons[0] : plugin + reasons.join("\0");
  const group = groups.get(key);
  if (group) group.nodes.push(node);
  else groups.set(key, { plugin, reasons, nodes: [node] });
}

function byNode(refused: readonly RefusedNodes[]): ReadonlyMap<string, Refusal> {
  const all = new Map<string, Refusal>();
  for (const { reasons, nodes } of refused) {
    for (const node of nodes) all.set(node, { fits: false, reasons, unresolvable: false });
  }
  return all;
}

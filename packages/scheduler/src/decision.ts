// The outcome of one scheduling cycle, with enough of its reasons to explain it.
import type { NamedRefusal, PluginScores } from "./framework/framework.ts";

/** Nodes refused by one plugin for the same reasons. */
export interface RefusedNodes {
  readonly plugin: string;
  readonly reasons: readonly string[];
  readonly nodes: string[];
}

/** Why a pod went where it went, or nowhere. */
export interface Reasons {
  readonly nodeCount: number;
  /** Set when a plugin refused the pod before any node was looked at. */
  readonly refusedBy?: NamedRefusal;
  /** The plugins that left only some nodes to look at. */
  readonly narrowedBy: readonly string[];
  /** Nodes that were left out because of those plugins. */
  readonly leftOut: number;
  readonly refused: readonly RefusedNodes[];
  /** The nodes that fit and were scored, in the order of the scores. */
  readonly feasible: readonly string[];
  readonly scores: PluginScores;
}

/** A node, or why there is none. */
export type Decision =
  | { readonly nodeName: string; readonly reasons: Reasons }
  | {
      readonly nodeName?: undefined;
      readonly reasons: Reasons;
      /** What kubectl shows. */
      readonly message: string;
      /** The plugins whose hints say what may help. Empty when there was no node at all: then only a new one does. */
      readonly refusedBy: ReadonlySet<string>;
    };

/** `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s).`, as upstream words it. */
export function unschedulableMessage(reasons: Reasons): string {
  // Upstream's ErrNoNodesAvailable.
  if (reasons.nodeCount === 0) return "no nodes available to schedule pods";
  const head = `0/${reasons.nodeCount} nodes are available:`;
  if (reasons.refusedBy) return `${head} ${reasons.refusedBy.refusal.reasons.join(", ")}.`;
  const counts = new Map<string, number>();
  const count = (reason: string, nodes: number) => counts.set(reason, (counts.get(reason) ?? 0) + nodes);
  // A node with two reasons counts under both, so the numbers may add up to more than there are nodes.
  for (const group of reasons.refused) for (const reason of group.reasons) count(reason, group.nodes.length);
  if (reasons.leftOut > 0) count(`node(s) didn't satisfy plugin(s) [${reasons.narrowedBy.join(" ")}]`, reasons.leftOut);
  const parts = [...counts].map(([reason, nodes]) => `${nodes} ${reason}`);
  return `${head} ${parts.toSorted().join(", ")}.`;
}

/** The plugins whose change of mind would help. */
export function refusingPlugins(reasons: Reasons): ReadonlySet<string> {
  const names = new Set(reasons.refused.map((group) => group.plugin));
  if (reasons.refusedBy) names.add(reasons.refusedBy.plugin);
  if (reasons.leftOut > 0) for (const name of reasons.narrowedBy) names.add(name);
  return names;
}

// NodeAffinity: spec.nodeSelector and node affinity, required as a filter and preferred as a score.
import { matchesNodeSelectorAndAffinity, matchesNodeSelectorTerm } from "@skiff/api/scheduling/node-affinity.ts";
import type { NodeSelectorTerm, Pod } from "@skiff/api/types.ts";
import type { ClusterEvent } from "../framework/cluster-event.ts";
import { normalizeByMaximum } from "../framework/framework.ts";
import type { FilterPlugin, PreFilterPlugin, PreScorePlugin, ScorePlugin } from "../framework/plugin.ts";
import { FITS, refuseForGood } from "../framework/plugin.ts";
import type { PodInfo } from "../framework/pod-info.ts";

export const nodeAffinity = {
  name: "NodeAffinity",
  hints: [
    { event: "Node/Add", isWorthATry: nodeMatches },
    { event: "Node/UpdateLabels", isWorthATry: nodeMatches },
    { event: "Pod/Update" },
  ],
  preFilter(_state, { pod }) {
    const terms = requiredTerms(pod);
    // Most pods ask for nothing, and cost nothing.
    if (!terms && !pod.spec.nodeSelector) return { skip: true };
    const named = terms && namedNodes(terms);
    return named ? { nodes: named } : FITS;
  },
  filter({ pod }, { node }) {
    if (node && matchesNodeSelectorAndAffinity(pod, node)) return FITS;
    return refuseForGood("node(s) didn't match Pod's node affinity/selector");
  },
  preScore(_state, { pod }) {
    return preferredTerms(pod).length > 0 ? "score" : "skip";
  },
  score({ pod }, { node }) {
    if (!node) return 0;
    const matching = preferredTerms(pod).filter((term) => matchesNodeSelectorTerm(term.preference, node));
    return matching.reduce((sum, term) => sum + term.weight, 0);
  },
  normalizeScores: (scores) => normalizeByMaximum(scores),
} satisfies PreFilterPlugin & FilterPlugin & PreScorePlugin & ScorePlugin;

function nodeMatches({ pod }: PodInfo, { node }: ClusterEvent): boolean {
  return node !== undefined && matchesNodeSelectorAndAffinity(pod, node);
}

function requiredTerms(pod: Readonly<Pod>): readonly NodeSelectorTerm[] | undefined {
  return pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
}

function preferredTerms(pod: Readonly<Pod>) {
  return pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
}

/**
 * The nodes that the terms name by metadata.name, as those of DaemonSet pods do: no other needs to be looked at. Undefined when a
 * term leaves the name open.
 */
function namedNodes(terms: readonly NodeSelectorTerm[]): ReadonlySet<string> | undefined {
  const all = new Set<string>();
  for (const term of terms) {
    const byName = (term.matchFields ?? []).filter(({ key, operator }) => key === "metadata.name" && operator === "In");
    if (byName.length === 0) return undefined;
    const named = byName.map(({ values }) => new Set(values)).reduce((a, b) => a.intersection(b));
    for (const name of named) all.add(name);
  }
  return all;
}

// TaintToleration: tainted nodes take only pods that tolerate it, and nodes that prefer no pods come last.
import { findUntolerated, isTolerated } from "@skiff/api/scheduling/taints.ts";
import type { Toleration } from "@skiff/api/types.ts";
import type { ClusterEvent } from "../framework/cluster-event.ts";
import { stateSlot } from "../framework/cycle-state.ts";
import { normalizeByMaximum } from "../framework/framework.ts";
import type { FilterPlugin, PreScorePlugin, ScorePlugin } from "../framework/plugin.ts";
import { FITS, refuseForGood } from "../framework/plugin.ts";
import type { PodInfo } from "../framework/pod-info.ts";

/** NoExecute too: the pod would be evicted as soon as it ran. */
const HARD_EFFECTS = ["NoSchedule", "NoExecute"];
const SOFT_EFFECT = "PreferNoSchedule";

const softTolerations = stateSlot<readonly Toleration[]>("tolerations of PreferNoSchedule");

export const taintToleration = {
  name: "TaintToleration",
  hints: [
    { event: "Node/Add", isWorthATry: nodeIsTolerated },
    { event: "Node/UpdateTaints", isWorthATry: nodeIsTolerated },
    { event: "Pod/Update" },
  ],
  filter({ pod }, { node }) {
    if (!findUntolerated(node?.spec?.taints, pod.spec.tolerations, HARD_EFFECTS)) return FITS;
    return refuseForGood("node(s) had untolerated taint(s)");
  },
  preScore(state, { pod }, nodes) {
    // Where no node has such a taint all score the same.
    if (!nodes.some(({ node }) => node?.spec?.taints?.some((taint) => taint.effect === SOFT_EFFECT))) return "skip";
    const soft = (pod.spec.tolerations ?? []).filter(({ effect }) => !effect || effect === SOFT_EFFECT);
    state.write(softTolerations, soft);
    return "score";
  },
  // The number of taints that the pod would rather not have; `normalizeScores` turns it around.
  score(_pod, { node }, state) {
    const tolerations = state.read(softTolerations);
    const intolerable = node?.spec?.taints?.filter(
      (taint) => taint.effect === SOFT_EFFECT && !isTolerated(tolerations, taint),
    );
    return intolerable?.length ?? 0;
  },
  normalizeScores: (scores) => normalizeByMaximum(scores, true),
} satisfies FilterPlugin & PreScorePlugin & ScorePlugin;

function nodeIsTolerated({ pod }: PodInfo, { node }: ClusterEvent): boolean {
  return node !== undefined && !findUntolerated(node.spec?.taints, pod.spec.tolerations, HARD_EFFECTS);
}

// NodeUnschedulable: cordoned nodes take only pods that tolerate the taint they stand for.
import { isTolerated } from "@skiff/api/scheduling/taints.ts";
import type { Node, Pod } from "@skiff/api/types.ts";
import type { ClusterEvent } from "../framework/cluster-event.ts";
import type { FilterPlugin } from "../framework/plugin.ts";
import { FITS, refuseForGood } from "../framework/plugin.ts";
import type { PodInfo } from "../framework/pod-info.ts";

/** What `kubectl cordon` amounts to. The taint itself comes a moment after spec.unschedulable, so the field is read too. */
const CORDONED = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

export const nodeUnschedulable = {
  name: "NodeUnschedulable",
  hints: [
    { event: "Node/Add", isWorthATry: nodeIsOpen },
    { event: "Node/UpdateTaints", isWorthATry: nodeIsOpen },
    { event: "Pod/Update", isWorthATry: (pod) => toleratesCordon(pod.pod) },
  ],
  filter({ pod }, { node }) {
    if (node && isOpen(node, pod)) return FITS;
    return refuseForGood("node(s) were unschedulable");
  },
} satisfies FilterPlugin;

function nodeIsOpen({ pod }: PodInfo, { node }: ClusterEvent): boolean {
  return node !== undefined && isOpen(node, pod);
}

function isOpen(node: Readonly<Node>, pod: Readonly<Pod>): boolean {
  return !node.spec?.unschedulable || toleratesCordon(pod);
}

function toleratesCordon(pod: Readonly<Pod>): boolean {
  return isTolerated(pod.spec.tolerations, CORDONED);
}
